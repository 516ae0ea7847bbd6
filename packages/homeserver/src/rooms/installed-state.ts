import {
  authorise,
  authoriseByAuthEvents,
  authEventIdsOf,
  type AuthEvent,
  createEventIdOf,
  type EventId,
  eventIdOf,
  type Pdu,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { toAuthEvent } from './room.ts'
import type { StoredEvent } from './stored-event.ts'

export type StateEvents = ReadonlyMap<StateKey, StoredEvent>

/** The state that these events are, or what is wrong with them. */
export function stateOfPdus(version: RoomVersion, pdus: readonly Pdu[], events: ReadonlyMap<EventId, StoredEvent>): StateEvents | string {
  const ids = new Set(pdus.map((pdu) => eventIdOf(pdu, version)))
  return stateOfEvents(Array.from(ids, (eventId) => events.get(eventId)).filter((event) => event !== undefined))
}

export function stateOfEvents(events: readonly StoredEvent[]): StateEvents | string {
  const state = new Map<StateKey, StoredEvent>()
  for (const event of events) {
    if (event.status === 'rejected') continue
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return 'the state contains a message'
    const key = stateKeyOf(type, stateKey)
    if (state.has(key)) return 'the state contains an entry twice'
    state.set(key, event)
  }
  return state.has(stateKeyOf('m.room.create', '')) ? state : 'the state lacks the create event'
}

export function idsOfState(state: StateEvents): Map<StateKey, EventId> {
  return new Map(Array.from(state, ([key, event]) => [key, event.eventId]))
}

interface JudgedJoin {
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly version: RoomVersion
  /** Among them what the join cites. */
  readonly events: ReadonlyMap<EventId, StoredEvent>
  readonly state: StateEvents
  /** Whether the state lacks members, so that those the join cites stand in for them. */
  readonly isPartial: boolean
}

/** The rule that denies a join in the state before it; undefined when it is allowed. */
export function joinDenial({ eventId, pdu, version, events, state, isPartial }: JudgedJoin): string | undefined {
  const createEvent = version.roomIdIsCreateEvent && pdu.room_id !== undefined ? events.get(createEventIdOf(pdu.room_id)) : undefined
  const context = { createEvent: createEvent === undefined ? undefined : toAuthEvent(createEvent) }
  const candidate = { eventId, pdu, rejected: false }
  const authEvents = authEventIdsOf(pdu).map((authId) => events.get(authId))
  if (authEvents.includes(undefined)) return 'the auth chain is incomplete'
  const cited = authEvents.filter((event) => event !== undefined).map(toAuthEvent)
  const byAuthEvents = authoriseByAuthEvents(candidate, cited, version, context)
  if (byAuthEvents.kind === 'denied') return byAuthEvents.rule
  const lookUp = (type: string, stateKey: string): AuthEvent | undefined => {
    const event = state.get(stateKeyOf(type, stateKey))
    if (event !== undefined) return toAuthEvent(event)
    const isMissingMember = isPartial && type === 'm.room.member'
    return isMissingMember ? cited.find((found) => found.pdu.type === type && found.pdu.state_key === stateKey) : undefined
  }
  const byState = authorise(candidate, lookUp, version, context)
  return byState.kind === 'denied' ? byState.rule : undefined
}
