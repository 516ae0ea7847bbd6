import { type AuthEvent, type EventId, neededForResolution, resolveState, type RoomVersion, type StateKey } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { toAuthEvent } from './room.ts'
import type { StoredEvent } from './stored-event.ts'

/** Resolves states after loading everything that resolution looks at. */
export async function resolveSnapshots(
  version: RoomVersion,
  states: readonly ReadonlyMap<StateKey, EventId>[],
  load: (eventIds: readonly EventId[]) => Promise<(StoredEvent | undefined)[]>,
): Promise<Map<StateKey, EventId>> {
  const steps = neededForResolution(version, states, () => undefined)
  let count = 0
  let step = steps.next()
  while (step.done !== true) {
    const loaded: AuthEvent[] = (await load(step.value)).filter((event) => event !== undefined).map(toAuthEvent)
    count += loaded.length
    if (count > limits.implementation.authChainEventsMax) throw new RangeError('the auth chains of the states are too long to resolve')
    step = steps.next(loaded)
  }
  const events = step.value
  return resolveState(version, states, { event: (eventId) => events.get(eventId) })
}
