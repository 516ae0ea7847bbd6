import {
  type AuthEvent,
  authTypesFor,
  type EventId,
  type JsonObject,
  type Pdu,
  type RoomId,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
  type UserId,
} from '@kith/matrix-protocol'

interface Draft {
  readonly type: string
  readonly sender: UserId
  readonly state_key: string
  readonly content: JsonObject
}

export interface ConflictedRoom {
  readonly states: readonly ReadonlyMap<StateKey, EventId>[]
  /** How many events the states disagree about. */
  readonly conflicts: number
  readonly eventOf: (eventId: EventId) => AuthEvent
}

const alice = '@alice:example.org' as UserId
const moderators = Array.from({ length: 5 }, (_, index) => `@moderator${index}:example.org` as UserId)
/** Changes of power levels in each branch. */
const powerChanges = 20
const bansOfEach = 20

/**
 * A room whose two branches changed each of `conflictedEvents / 2` entries differently: mostly members that set another name, some that were banned
 * in one branch, topics of many kinds, and chains of power levels.
 */
export function conflictedRoom(version: RoomVersion, conflictedEvents: number): ConflictedRoom {
  const keys = conflictedEvents / 2
  // The power levels are one key more, whose events conflict too.
  const members = Array.from({ length: keys - 1 - keys / 10 }, (_, index) => `@member${index}:example.org` as UserId)
  const topics = Array.from({ length: keys / 10 }, (_, index) => `topic ${index}`)
  const room = new Branch(version, new Map(), new Map(), 0)
  const users = {
    ...(version.creatorsHaveInfinitePower ? {} : { [alice]: 100 }),
    ...Object.fromEntries(moderators.map((name) => [name, 50])),
  }
  room.add({ type: 'm.room.create', sender: alice, state_key: '', content: { creator: alice, room_version: version.id } })
  room.join(alice)
  room.add({ type: 'm.room.power_levels', sender: alice, state_key: '', content: { users } })
  room.add({ type: 'm.room.join_rules', sender: alice, state_key: '', content: { join_rule: 'public' } })
  for (const user of [...moderators, ...members]) room.join(user)
  for (const topic of topics) room.add({ type: 'm.room.topic', sender: alice, state_key: topic, content: { topic } })

  const branches = ['left', 'right'].map((name, index) => {
    const branch = room.fork(1_000_000 + index)
    for (let change = 0; change < powerChanges; change++) {
      const content = { users: { ...users, [`@${name}${change}:example.org`]: 10 } }
      branch.add({ type: 'm.room.power_levels', sender: alice, state_key: '', content })
    }
    for (const [place, user] of members.entries()) {
      const isBanned = place % 2 === index && place < bansOfEach * 2
      const moderator = moderators[place % moderators.length] ?? alice
      if (isBanned) branch.add({ type: 'm.room.member', sender: moderator, state_key: user, content: { membership: 'ban' } })
      else branch.join(user, `${name} ${place}`)
    }
    for (const topic of topics) branch.add({ type: 'm.room.topic', sender: alice, state_key: topic, content: { topic: name } })
    return branch
  })
  const states = branches.map((branch) => branch.state)
  const [left, right] = states
  const conflicted = [...(left ?? [])].filter(([key, eventId]) => right?.get(key) !== eventId)
  return { states, conflicts: conflicted.length * 2, eventOf: room.eventOf }
}

class Branch {
  readonly state: Map<StateKey, EventId>
  readonly #version: RoomVersion
  readonly #events: Map<EventId, AuthEvent>
  #time: number

  constructor(version: RoomVersion, events: Map<EventId, AuthEvent>, state: ReadonlyMap<StateKey, EventId>, time: number) {
    this.#version = version
    this.#events = events
    this.#time = time
    this.state = new Map(state)
  }

  readonly eventOf = (eventId: EventId): AuthEvent => {
    const event = this.#events.get(eventId)
    if (event === undefined) throw new Error(`no event ${eventId}`)
    return event
  }

  fork(time: number): Branch {
    return new Branch(this.#version, this.#events, this.state, time)
  }

  join(user: UserId, displayname = ''): void {
    this.add({ type: 'm.room.member', sender: user, state_key: user, content: { membership: 'join', displayname } })
  }

  add(draft: Draft): void {
    const isSource = draft.type === 'm.room.create'
    const eventId = (isSource ? '$create' : `$event-${this.#events.size}`) as EventId
    const authIds = authTypesFor(draft, this.#version).flatMap((key) => this.state.get(stateKeyOf(key.type, key.stateKey)) ?? [])
    const hasRoomId = !(isSource && this.#version.roomIdIsCreateEvent)
    const roomId = (this.#version.roomIdIsCreateEvent ? '!create' : '!room:example.org') as RoomId
    const pdu: Pdu = {
      ...draft,
      ...(hasRoomId ? { room_id: roomId } : {}),
      origin_server_ts: this.#time++,
      depth: 1,
      prev_events: [],
      auth_events: authIds,
      hashes: { sha256: '' },
      signatures: {},
    }
    this.#events.set(eventId, { eventId, pdu, rejected: false })
    this.state.set(stateKeyOf(draft.type, draft.state_key), eventId)
  }
}
