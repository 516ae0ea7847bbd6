import { type JsonObject, ownString, type RoomId, type StateKey, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import type { RoomActivity, RoomState, Rooms, StoredEvent } from '../../rooms/index.ts'
import { heroesOf } from '../room-summary.ts'
import type { WantedState } from './wanted-state.ts'

/** What is read of a room in one moment, without waiting: state, members and position belong together. */
export interface RoomFacts {
  readonly activity: RoomActivity
  readonly name: string | undefined
  readonly avatar: string | undefined
  readonly heroes: readonly JsonObject[]
  readonly joinedCount: number
  readonly invitedCount: number
  readonly member: StoredEvent | undefined
  /** The wanted part of the state. */
  readonly wanted: readonly StoredEvent[]
}

export function readFacts(rooms: Rooms, roomId: RoomId, reader: UserId, wanted: WantedState): RoomFacts | undefined {
  const state = rooms.state(roomId)
  const activity = rooms.activity(roomId)
  if (state === undefined || activity === undefined) return undefined
  return {
    activity,
    ...namesOf(state, reader),
    joinedCount: state.joinedTotal,
    invitedCount: state.invitedTotal,
    member: state.get('m.room.member', reader),
    wanted: wantedOf(state, wanted),
  }
}

function namesOf(state: RoomState, reader: UserId): Pick<RoomFacts, 'name' | 'avatar' | 'heroes'> {
  const name = stringOf(state.get('m.room.name', ''), 'name')
  const heroes = name === undefined ? heroesOf(state, reader).map((userId) => heroOf(userId, state.get('m.room.member', userId))) : []
  return { name, avatar: stringOf(state.get('m.room.avatar', ''), 'url'), heroes }
}

function heroOf(userId: UserId, member: StoredEvent | undefined): JsonObject {
  const displayName = stringOf(member, 'displayname')
  const avatar = stringOf(member, 'avatar_url')
  return {
    user_id: userId,
    ...(displayName === undefined ? {} : { displayname: displayName }),
    ...(avatar === undefined ? {} : { avatar_url: avatar }),
  }
}

/** An empty string is as good as none. */
function stringOf(event: StoredEvent | undefined, member: string): string | undefined {
  const value = event === undefined ? undefined : ownString(event.pdu.content, member)
  return value === '' ? undefined : value
}

function wantedOf(state: RoomState, wanted: WantedState): StoredEvent[] {
  const entries = wanted.entries()
  if (entries === undefined)
    return [...state.entries()].filter(({ pdu }) => pdu.state_key !== undefined && wanted.has(pdu.type, pdu.state_key))
  const found = new Map<StateKey, StoredEvent>()
  for (const { type, stateKey } of entries) {
    const event = state.get(type, stateKey)
    if (event !== undefined && wanted.has(type, stateKey)) found.set(stateKeyOf(type, stateKey), event)
  }
  return [...found.values()]
}
