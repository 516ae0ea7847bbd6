import {
  type AuthEvent,
  authorise,
  createEventIdOf,
  type EventId,
  ownString,
  type ReadonlyStateMap,
  type RoomId,
  roomVersion,
  type RoomVersion,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { resolveStateNaively } from '../naive-state-resolution.ts'
import { type InspectedEvent, prevIdsOf } from './inspect.ts'
import type { RoomGraph } from './room-graph.ts'

/** The states that the events of a room stand in, by the words of the specification: what the servers' judgements are held against. */
export class RoomStates {
  readonly #roomId: RoomId
  readonly #graph: RoomGraph
  readonly #version: RoomVersion
  readonly #after = new Map<string, ReadonlyStateMap<EventId>>()

  constructor(roomId: string, graph: RoomGraph) {
    this.#roomId = roomId as RoomId
    this.#graph = graph
    const creation = graph.events.find(({ pdu }) => pdu.type === 'm.room.create')
    const version = roomVersion((creation === undefined ? undefined : ownString(creation.pdu.content, 'room_version')) ?? '1')
    if (version === undefined) throw new Error(`The version of ${roomId} is unknown`)
    this.#version = version
  }

  /**
   * Whether a server had to soft-fail an event: the rules deny it in the state of the room that has for its ends what the event follows and what
   * the server knew beside it, of which one alone must suffice here. What the server had refused is no end: state resolution may leave out
   * a ban, say, for the sake of a message beside it that this server did not take.
   * @see https://spec.matrix.org/latest/server-server-api/#checks-performed-on-receipt-of-a-pdu step 6
   */
  isJustlyRefused(event: InspectedEvent, known: readonly InspectedEvent[], isRefused: (eventId: string) => boolean): boolean {
    const taken = [...this.#graph.ancestorsOf(event.eventId)].filter((eventId) => !isRefused(eventId))
    const built = new Set(taken.flatMap((eventId) => [...this.#graph.ancestorsOf(eventId)]))
    const ends = taken.filter((eventId) => !built.has(eventId))
    if (this.#isDeniedAt(event, ends)) return true
    const beside = known.values().filter(({ eventId }) => this.#graph.areConcurrent(event.eventId, eventId))
    return beside.some(({ eventId }) => {
      const behind = this.#graph.ancestorsOf(eventId)
      return this.#isDeniedAt(event, [eventId, ...ends.filter((end) => !behind.has(end))])
    })
  }

  #isDeniedAt(event: InspectedEvent, ends: readonly string[]): boolean {
    const state = this.#merge(ends.map((eventId) => this.#stateAfter(eventId)))
    const lookUp = (type: string, stateKey: string): AuthEvent | undefined => {
      const eventId = state.get(stateKeyOf(type, stateKey))
      return eventId === undefined ? undefined : this.#authEvent(eventId)
    }
    const createEvent = this.#version.roomIdIsCreateEvent ? this.#authEvent(createEventIdOf(this.#roomId)) : undefined
    return authorise(this.#authEvent(event.eventId), lookUp, this.#version, { createEvent }).kind === 'denied'
  }

  #stateAfter(eventId: string): ReadonlyStateMap<EventId> {
    const known = this.#after.get(eventId)
    if (known !== undefined) return known
    const event = this.#graph.event(eventId)
    const before = this.#merge(prevIdsOf(event).map((prev) => this.#stateAfter(prev)))
    const { type, state_key: stateKey } = event.pdu
    const after = stateKey === undefined ? before : new Map([...before, [stateKeyOf(type, stateKey), eventId as EventId]])
    this.#after.set(eventId, after)
    return after
  }

  #merge(states: readonly ReadonlyStateMap<EventId>[]): ReadonlyStateMap<EventId> {
    const distinct = [...new Set(states)]
    const [first = new Map<never, never>()] = distinct
    return distinct.length < 2 ? first : resolveStateNaively(this.#version, distinct, (eventId) => this.#authEvent(eventId))
  }

  #authEvent(eventId: string): AuthEvent {
    const { pdu, forAuth } = this.#graph.event(eventId)
    return { eventId: eventId as EventId, pdu: forAuth ?? pdu, rejected: false }
  }
}
