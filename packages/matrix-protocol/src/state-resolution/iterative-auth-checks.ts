import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { authorise } from '../auth-rules/authorise.ts'
import { authEventIdsOf } from '../events/pdu.ts'
import { type StateMap, stateKeyOf } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { EventGraph } from './event-graph.ts'

/**
 * Applies the events, in this order, to the state where the auth rules allow them; the others are left out.
 * @see https://spec.matrix.org/latest/rooms/v2/#state-resolution
 */
export function applyAllowed(events: readonly AuthEvent[], state: StateMap<EventId>, graph: EventGraph): void {
  for (const event of events) {
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) continue
    const context = { createEvent: graph.createEventOf(event) }
    const outcome = authorise(event, (...key) => authEventFor(event, key, state, graph), graph.version, context)
    if (outcome.kind === 'allowed') state.set(stateKeyOf(type, stateKey), event.eventId)
  }
}

/** From the state so far, or else what the event cites, unless that was rejected: cited events are not checked again. */
function authEventFor(
  event: AuthEvent,
  [type, stateKey]: readonly [type: string, stateKey: string],
  state: StateMap<EventId>,
  graph: EventGraph,
): AuthEvent | undefined {
  const resolved = state.get(stateKeyOf(type, stateKey))
  if (resolved !== undefined) return graph.get(resolved)
  for (const authId of authEventIdsOf(event.pdu)) {
    const cited = graph.get(authId)
    if (cited.pdu.type === type && cited.pdu.state_key === stateKey && !cited.rejected) return cited
  }
  return undefined
}
