import {
  isJsonObject,
  type JsonObject,
  parseEventId,
  parseRoomId,
  type RoomId,
  type RoomVersion,
  roomVersion,
  supportedRoomVersions,
  type UnhashedPdu,
  type UserId,
} from '@kith/matrix-protocol'

export interface MemberTemplate {
  readonly version: RoomVersion
  /** Ready to be hashed and signed. */
  readonly event: UnhashedPdu
}

export interface WantedMembership {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: 'join' | 'leave'
  readonly content: JsonObject
  /** ms */
  readonly now: number
}

const EVENTS_NAMED_MAX = 20

/** `ver=…` for every room version that this server knows. */
export function versionsQuery(): string {
  return new URLSearchParams(supportedRoomVersions.map(({ id }) => ['ver', id])).toString()
}

/**
 * The event to sign, from the answer of make_join or make_leave. Of the template only the place in the DAG counts, and who vouches for a
 * restricted join: this server signs nothing else that another one wrote. Undefined when the template is of no use.
 */
export function readTemplate(answer: JsonObject, wanted: WantedMembership): MemberTemplate | undefined {
  const { event } = answer
  // Room version 1 is meant when none is named; it is not supported.
  const version = typeof answer['room_version'] === 'string' ? roomVersion(answer['room_version']) : undefined
  if (version === undefined || !isJsonObject(event)) return undefined
  if (event['type'] !== 'm.room.member' || event['state_key'] !== wanted.userId || event['sender'] !== wanted.userId) return undefined
  if (parseRoomId(event['room_id']) !== wanted.roomId) return undefined
  const { depth, content } = event
  const prevEvents = eventIds(event['prev_events'])
  const authEvents = eventIds(event['auth_events'])
  if (prevEvents === undefined || authEvents === undefined || typeof depth !== 'number' || !Number.isSafeInteger(depth)) return undefined
  if (!isJsonObject(content) || content['membership'] !== wanted.membership) return undefined
  const voucher = content['join_authorised_via_users_server']
  return {
    version,
    event: {
      type: 'm.room.member',
      room_id: wanted.roomId,
      sender: wanted.userId,
      state_key: wanted.userId,
      content: {
        ...wanted.content,
        membership: wanted.membership,
        ...(typeof voucher === 'string' ? { join_authorised_via_users_server: voucher } : {}),
      },
      origin_server_ts: wanted.now,
      depth,
      prev_events: prevEvents,
      auth_events: authEvents,
    },
  }
}

function eventIds(value: unknown) {
  if (!Array.isArray(value) || value.length > EVENTS_NAMED_MAX) return undefined
  const ids = value.map((id: unknown) => parseEventId(id))
  return ids.every((id) => id !== undefined) ? ids : undefined
}
