import { type EventId, type RoomId, splitStateKey, type StateKey, type UserId } from '@kith/matrix-protocol'
import type { RoomActivity, Rooms, StoredEvent } from '../../rooms/index.ts'
import type { EventReader } from '../client-events.ts'
import { memberOfKey } from '../room-state-changes.ts'
import type { SentRoom } from './connection.ts'
import type { RoomFacts } from './room-facts.ts'
import type { WantedState } from './wanted-state.ts'

interface Moment {
  readonly reader: EventReader
  readonly position: number
  readonly snapshot: RoomActivity['snapshot']
}

export interface StateNews {
  readonly events: readonly StoredEvent[]
  readonly membersChanged: boolean
  readonly nameChanged: boolean
  readonly avatarChanged: boolean
}

/** What of a room's state a connection has not been told. */
export class RoomStateNews {
  readonly #rooms: Rooms

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  /** What of the state the client lacks or has otherwise. `gone`: something that it has is no longer there. */
  async news(roomId: RoomId, sent: SentRoom, facts: RoomFacts, wanted: WantedState): Promise<StateNews | 'gone'> {
    const rooms = this.#rooms
    const isSame = sent.snapshot === facts.activity.snapshot
    const changed = isSame ? new Map<StateKey, EventId>() : await rooms.stateEntriesSince(roomId, sent.snapshot, facts.activity.snapshot)
    if (!isSame && sent.snapshot !== undefined) {
      for (const key of (await rooms.stateEntriesSince(roomId, facts.activity.snapshot, sent.snapshot)).keys()) {
        const { type, stateKey } = splitStateKey(key)
        if (!changed.has(key) && (sent.wants(type, stateKey) || memberOfKey(key) !== undefined || namesRoom(type))) return 'gone'
      }
    }
    const told = [...changed].filter(([key]) => {
      const { type, stateKey } = splitStateKey(key)
      // Who loads members lazily hears of every change: what is heard must not grow old.
      return wanted.has(type, stateKey) || (wanted.lazyMembers && type === 'm.room.member')
    })
    const events = (await rooms.events(told.map(([, eventId]) => eventId))).filter((event) => event !== undefined)
    const widened =
      wanted.name === sent.wantedName
        ? []
        : facts.wanted.filter(({ pdu }) => pdu.state_key !== undefined && !sent.wants(pdu.type, pdu.state_key))
    const types = new Set([...changed.keys()].map((key) => splitStateKey(key).type))
    return {
      events: [...events, ...widened],
      membersChanged: types.has('m.room.member'),
      nameChanged: types.has('m.room.name'),
      avatarChanged: types.has('m.room.avatar'),
    }
  }

  /** The members that the timeline speaks of and the client has not seen, as they are in the moment of the facts. */
  async membersOf(roomId: RoomId, timeline: readonly StoredEvent[], sent: ReadonlySet<UserId>, moment: Moment): Promise<StoredEvent[]> {
    const rooms = this.#rooms
    const needed = new Set<string>([moment.reader.userId])
    for (const { pdu } of timeline) {
      needed.add(pdu.sender)
      if (pdu.type === 'm.room.member' && pdu.state_key !== undefined) needed.add(pdu.state_key)
    }
    const unseen = [...needed].filter((userId) => !sent.has(userId as UserId))
    const state = rooms.state(roomId)
    if (rooms.activity(roomId)?.snapshot === moment.snapshot) return unseen.flatMap((userId) => state?.get('m.room.member', userId) ?? [])
    const then = await rooms.stateAt(roomId, moment.position)
    const ids = await Promise.all(unseen.map(async (userId) => then?.idOf('m.room.member', userId)))
    return (await rooms.events(ids.filter((eventId) => eventId !== undefined))).filter((event) => event !== undefined)
  }

  /** The wanted state of a moment, as far as the client does not have it. */
  async at(roomId: RoomId, position: number, sent: SentRoom | undefined, wanted: WantedState): Promise<StoredEvent[]> {
    const rooms = this.#rooms
    const then = await rooms.stateAt(roomId, position)
    if (then === undefined) return []
    const from = sent?.membership === 'join' ? sent.snapshot : undefined
    const changed = await rooms.stateEntriesSince(roomId, from, then.snapshot)
    const told = [...changed].filter(([key]) => {
      const { type, stateKey } = splitStateKey(key)
      return wanted.has(type, stateKey) || (from !== undefined && wanted.lazyMembers && type === 'm.room.member')
    })
    return (await rooms.events(told.map(([, eventId]) => eventId))).filter((event) => event !== undefined)
  }
}

function namesRoom(type: string): boolean {
  return type === 'm.room.name' || type === 'm.room.avatar'
}
