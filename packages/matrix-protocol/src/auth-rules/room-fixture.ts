import { createEventIdOf, roomIdFromCreateEvent } from '../events/hashes.ts'
import type { Pdu } from '../events/pdu.ts'
import { alice, oldRoomId, someEventId, someReference } from '../events/pdu-fixture.ts'
import { stateKeyOf, type StateMap } from '../events/state-map.ts'
import { type EventId, type RoomId, serverNameOf, type UserId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { AuthContext, AuthEvent, AuthOutcome } from './auth-event.ts'
import { authTypesFor } from './auth-types.ts'
import { authorise } from './authorise.ts'

export const bob = '@bob:example.org' as UserId
export const carol = '@carol:other.org' as UserId
export const dave = '@dave:other.org' as UserId

export type Proto = Partial<Pdu> & Pick<Pdu, 'type'>

/** For tests: a room of any version, as a state that events are tried against. Alice created it and has joined. */
export class RoomFixture {
  readonly version: RoomVersion
  readonly roomId: RoomId
  readonly #state: StateMap<AuthEvent> = new Map()
  #createEvent: AuthEvent
  readonly #createEventId: EventId
  #count = 0

  constructor(version: RoomVersion, createContent: JsonObject = {}) {
    this.version = version
    const createEventId = someEventId('C', version)
    this.#createEventId = createEventId
    this.roomId = version.roomIdIsCreateEvent ? roomIdFromCreateEvent(createEventId) : oldRoomId
    const content = { room_version: version.id, creator: alice, ...createContent }
    const create = this.event({ type: 'm.room.create', state_key: '', content, prev_events: [] })
    this.#createEvent = { ...create, eventId: createEventId }
    this.#state.set(stateKeyOf('m.room.create', ''), this.#createEvent)
    this.member(alice, 'join')
  }

  /** An event by Alice, unless said otherwise. */
  event(proto: Proto): AuthEvent {
    const isSource = this.version.roomIdIsCreateEvent && proto.type === 'm.room.create'
    const server = serverNameOf(proto.sender ?? alice)
    const isGiven = this.version.eventIds === 'given'
    const eventId = (isGiven ? `$${++this.#count}:${server}` : `$${String(++this.#count).padStart(43, '0')}`) as EventId
    const pdu: Pdu = {
      sender: alice,
      ...(isGiven ? { event_id: eventId } : {}),
      ...(isSource ? {} : { room_id: this.roomId }),
      origin_server_ts: 1,
      depth: 1,
      prev_events: [someReference('p', this.version)],
      auth_events: [],
      content: {},
      hashes: { sha256: '' },
      signatures: {},
      ...proto,
    }
    return { eventId, pdu, rejected: false }
  }

  /** Puts it into the state, allowed or not. */
  put(proto: Proto): AuthEvent {
    const event = this.event({ state_key: '', ...proto })
    this.#state.set(stateKeyOf(event.pdu.type, event.pdu.state_key ?? ''), event)
    return event
  }

  member(user: UserId, membership: string): AuthEvent {
    return this.put({ type: 'm.room.member', sender: user, state_key: user, content: { membership } })
  }

  powerLevels(content: JsonObject): AuthEvent {
    return this.put({ type: 'm.room.power_levels', content })
  }

  joinRule(rule: string): AuthEvent {
    return this.put({ type: 'm.room.join_rules', content: { join_rule: rule } })
  }

  get createEvent(): AuthEvent {
    return this.#createEvent
  }

  rejectCreateEvent(): void {
    this.#createEvent = { ...this.#createEvent, rejected: true }
    this.#state.set(stateKeyOf('m.room.create', ''), this.#createEvent)
  }

  get context(): AuthContext {
    const createEvent =
      this.version.roomIdIsCreateEvent && createEventIdOf(this.roomId) === this.#createEventId ? this.#createEvent : undefined
    return { createEvent }
  }

  readonly state = (type: string, stateKey: string): AuthEvent | undefined => this.#state.get(stateKeyOf(type, stateKey))

  /** 'allowed', or the rule that denies the event. */
  try(proto: Proto): string {
    const outcome = this.decide(proto)
    return outcome.kind === 'allowed' ? 'allowed' : outcome.rule
  }

  decide(proto: Proto): AuthOutcome {
    return authorise(this.event(proto), this.state, this.version, this.context)
  }

  /** Like tryMember, with the rule that decides. */
  decideMember(sender: UserId, target: UserId, membership: string, more: JsonObject = {}): AuthOutcome {
    return this.decide({ type: 'm.room.member', sender, state_key: target, content: { membership, ...more } })
  }

  /** What such an event would cite. */
  citedFor(proto: Proto): AuthEvent[] {
    const keys = authTypesFor(this.event(proto).pdu, this.version)
    return keys.map(({ type, stateKey }) => this.state(type, stateKey)).filter((event) => event !== undefined)
  }

  tryMember(sender: UserId, target: UserId, membership: string, more: Partial<Pdu> & { more?: JsonObject } = {}): string {
    const { more: content, ...rest } = more
    return this.try({ type: 'm.room.member', sender, state_key: target, content: { membership, ...content }, ...rest })
  }
}
