import {
  type EventId,
  eventIdOf,
  isJsonObject,
  type JsonObject,
  ownObject,
  ownString,
  type Pdu,
  type RoomId,
  roomVersion,
  type UserId,
} from '@kith/matrix-protocol'
import type { Rooms, StoredInvite } from '../rooms/index.ts'
import { evaluatePush } from './evaluate.ts'
import type { PushAction } from './push-rule.ts'
import type { PushRules } from './push-rules.ts'

/** An invite to a room that this server does not hold. It is in no timeline, so no notification of it is stored. */
export interface PendingInvite {
  /** In the stream. */
  readonly position: number
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly actions: readonly PushAction[]
  /** What came with it of the room. */
  readonly textOf: (type: string, name: string, stateKey: string) => string | undefined
}

/** Those invites of a stretch of the stream of which the user's rules notify, if they still stand. Oldest first. */
export async function invitesBetween(
  { rooms, pushRules }: { readonly rooms: Rooms; readonly pushRules: Pick<PushRules, 'get'> },
  userId: UserId,
  after: number,
  upTo: number,
): Promise<PendingInvite[]> {
  const invites = rooms.invites(userId).filter(({ position }) => position > after && position <= upTo)
  if (invites.length === 0) return []
  const rules = await pushRules.get(userId)
  const pending = invites.flatMap((invite) => {
    const { roomId, event, position } = invite
    const version = roomVersion(invite.version)
    if (version === undefined || event.content['membership'] !== 'invite') return []
    // Of the room nothing is known that could be asked for.
    const surroundings = { userId, displayName: undefined, joinedMembers: 0, senderMayNotify: () => false }
    const { notify, actions } = evaluatePush(rules, { ...event, room_id: roomId }, surroundings)
    const textOf = (type: string, name: string, stateKey: string): string | undefined => textIn(invite, type, name, stateKey)
    return notify ? [{ position, roomId, eventId: eventIdOf(event, version), pdu: event, actions, textOf }] : []
  })
  return pending.toSorted((one, other) => one.position - other.position)
}

function textIn({ strippedState }: StoredInvite, type: string, name: string, stateKey: string): string | undefined {
  const isIt = (event: JsonObject): boolean => isJsonObject(event) && event['type'] === type && event['state_key'] === stateKey
  return ownString(ownObject(strippedState.find(isIt), 'content'), name)
}
