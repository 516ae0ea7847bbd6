import {
  addContentHash,
  encodeBase64Url,
  type EventId,
  isJsonObject,
  type JsonObject,
  parsePdu,
  parseRoomId,
  parseUserId,
  type Pdu,
  type RoomId,
  type RoomVersion,
  roomVersionNamed,
  type ServerName,
  supportedRoomVersions,
  type UserId,
} from '@kith/matrix-protocol'
import type { Random } from '../../ports/random.ts'

/** What a user asks another server's help for. */
export type AskedMembership = 'join' | 'leave' | 'knock'

export interface MemberTemplate {
  readonly version: RoomVersion
  /** Hashed, ready to be signed. */
  readonly event: Pdu
}

export interface WantedMembership {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: AskedMembership
  readonly content: JsonObject
}

export interface TemplateReader {
  readonly random: Random
  readonly serverName: ServerName
  /** ms */
  readonly now: number
}

/** `ver=…` for every room version that this server knows. */
export function versionsQuery(): string {
  return new URLSearchParams(supportedRoomVersions.map(({ id }) => ['ver', id])).toString()
}

/**
 * The event to sign, from the answer of make_join, make_leave or make_knock. Of the template only the place in the DAG counts, and who
 * vouches for a restricted join: this server signs nothing else that another one wrote. Undefined when the template is of no use.
 */
export function readTemplate(answer: JsonObject, wanted: WantedMembership, reader: TemplateReader): MemberTemplate | undefined {
  const { event } = answer
  const version = roomVersionNamed(answer['room_version'])
  if (version === undefined || !isJsonObject(event) || !isWanted(event, wanted)) return undefined
  const { depth, prev_events: prevEvents, auth_events: authEvents } = event
  const voucher = version.restrictedJoins && wanted.membership === 'join' ? voucherOf(event) : undefined
  const unhashed = {
    type: 'm.room.member',
    room_id: wanted.roomId,
    sender: wanted.userId,
    state_key: wanted.userId,
    ...(version.eventIds === 'given' ? { event_id: newEventId(reader) } : {}),
    content: {
      ...wanted.content,
      membership: wanted.membership,
      ...(voucher === undefined ? {} : { join_authorised_via_users_server: voucher }),
    },
    origin_server_ts: reader.now,
    depth,
    prev_events: prevEvents,
    auth_events: authEvents,
  }
  if (!Array.isArray(prevEvents) || !Array.isArray(authEvents)) return undefined
  // The shape of the references, which differs between versions, and the limits of events are judged like those of any other event.
  const probe = parsePdu({ ...unhashed, hashes: { sha256: '' }, signatures: {} }, version)
  return probe.kind === 'ok' ? { version, event: addContentHash(probe.pdu, version) } : undefined
}

function isWanted(event: JsonObject, wanted: WantedMembership): boolean {
  const { type, state_key: stateKey, sender, content } = event
  if (type !== 'm.room.member' || stateKey !== wanted.userId || sender !== wanted.userId) return false
  return parseRoomId(event['room_id']) === wanted.roomId && isJsonObject(content) && content['membership'] === wanted.membership
}

function voucherOf(event: JsonObject): UserId | undefined {
  return isJsonObject(event['content']) ? parseUserId(event['content']['join_authorised_via_users_server']) : undefined
}

/** In the versions where an event's id is not its hash, whoever makes the event chooses it. */
export function newEventId({ random, serverName }: Pick<TemplateReader, 'random' | 'serverName'>): EventId {
  return `$${encodeBase64Url(random.bytes(18))}:${serverName}` as EventId
}
