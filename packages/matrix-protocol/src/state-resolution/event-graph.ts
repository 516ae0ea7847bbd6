import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { createEventIdOf } from '../events/hashes.ts'
import { authEventIdsOf } from '../events/pdu.ts'
import type { EventId } from '../ids/ids.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'

/** What resolution asks of its caller. Answers must not change while it runs. */
export interface ResolutionLookup {
  /** Every event of the state sets and of their auth chains must be found; see neededForResolution. */
  event(eventId: EventId): AuthEvent | undefined
}

/** The caller of the resolution did not provide an event that it needs. */
export class MissingEventError extends Error {
  override readonly name = 'MissingEventError'
  readonly eventId: EventId

  constructor(eventId: EventId) {
    super(`State resolution needs the event ${eventId}`)
    this.eventId = eventId
  }
}

/** The events of one resolution, linked by their `auth_events`. All walks are loops, so that no depth of a chain exhausts the stack. */
export class EventGraph {
  readonly version: RoomVersion
  readonly #lookup: ResolutionLookup

  constructor(lookup: ResolutionLookup, version: RoomVersion) {
    this.#lookup = lookup
    this.version = version
  }

  /** @throws MissingEventError */
  get(eventId: EventId): AuthEvent {
    const event = this.#lookup.event(eventId)
    if (event === undefined) throw new MissingEventError(eventId)
    return event
  }

  /** The power levels that the event cites. */
  powerLevelsOf(event: AuthEvent): AuthEvent | undefined {
    return this.#cited(event, 'm.room.power_levels')
  }

  /** The create event of the event's room: cited, or implied by the room id. */
  createEventOf(event: AuthEvent): AuthEvent | undefined {
    if (!this.version.roomIdIsCreateEvent) return this.#cited(event, 'm.room.create')
    if (event.pdu.room_id === undefined) return event.pdu.type === 'm.room.create' ? event : undefined
    return this.#lookup.event(createEventIdOf(event.pdu.room_id))
  }

  /**
   * Adds to `reached` everything that can be reached from `start` by `auth_events`, the start included. Does not go beyond what is
   * in `stop`.
   */
  walk(start: Iterable<EventId>, reached: Set<EventId>, stop?: ReadonlySet<EventId>): Set<EventId> {
    const waiting = [...start]
    for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
      if (reached.has(eventId) || stop?.has(eventId) === true) continue
      reached.add(eventId)
      for (const authId of authEventIdsOf(this.get(eventId).pdu)) {
        if (!reached.has(authId)) waiting.push(authId)
      }
    }
    return reached
  }

  #cited(event: AuthEvent, type: string): AuthEvent | undefined {
    for (const authId of authEventIdsOf(event.pdu)) {
      const authEvent = this.get(authId)
      if (authEvent.pdu.type === type && authEvent.pdu.state_key === '') return authEvent
    }
    return undefined
  }
}
