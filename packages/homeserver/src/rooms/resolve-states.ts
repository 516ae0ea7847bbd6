import {
  authEventIdsOf,
  authTypesFor,
  type EventId,
  neededForResolution,
  type ReadonlyStateMap,
  resolveState,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { toAuthEvent } from './room.ts'
import type { StateRoot } from './state-trie.ts'
import type { DraftStates } from './state-store.ts'
import type { StoredEvent } from './stored-event.ts'

type LoadEvents = (eventIds: readonly EventId[]) => Promise<(StoredEvent | undefined)[]>

/** Resolving would need more events than anybody may make this server read. */
export class AuthChainTooLongError extends Error {
  override readonly name = 'AuthChainTooLongError'
}

/**
 * The one state that follows from several, as a change of the first. Resolution sees the entries in which the states differ, and of those
 * in which they agree only the ones that it can look at, so that a fork costs what it is about and not what the room holds.
 *
 * That gives the same result as resolving the whole states, because what they agree upon enters the algorithm in two places only: the
 * auth checks look it up by the types that an event needs, all of which are given; and what lies in the auth chains of agreed entries is
 * in no auth difference. Where an event might be in such a chain through an entry that was not given, the whole states are resolved.
 */
export async function resolveStates(
  version: RoomVersion,
  roots: readonly StateRoot[],
  states: DraftStates,
  load: LoadEvents,
): Promise<StateRoot> {
  const [first, ...others] = roots
  if (first === undefined) throw new Error('there is no state to resolve')
  const conflict = await readConflict(states, first, others)
  const parts = await relevantParts(version, first, conflict, states, load)
  const resolved = await resolveLoaded(version, parts ?? (await Promise.all(roots.map(async (root) => states.whole(root)))), load)
  const changes = new Map<StateKey, EventId | undefined>()
  const [firstPart] = conflict.parts
  for (const key of conflict.keys) if (resolved.get(key) !== firstPart?.get(key)) changes.set(key, resolved.get(key))
  return states.change(first, changes)
}

interface Conflict {
  readonly keys: ReadonlySet<StateKey>
  /** Of each state, its entries at these keys. */
  readonly parts: readonly ReadonlyMap<StateKey, EventId>[]
}

async function readConflict(states: DraftStates, first: StateRoot, others: readonly StateRoot[]): Promise<Conflict> {
  const differences = await Promise.all(others.map(async (other) => states.difference(first, other)))
  const firstPart = new Map<StateKey, EventId>()
  const keys = new Set<StateKey>()
  for (const difference of differences) {
    for (const [key, { from }] of difference) {
      keys.add(key)
      if (from !== undefined) firstPart.set(key, from)
    }
  }
  const otherParts = differences.map((difference) => {
    const part = new Map(firstPart)
    for (const [key, { to }] of difference) {
      if (to === undefined) part.delete(key)
      else part.set(key, to)
    }
    return part
  })
  return { keys, parts: [firstPart, ...otherParts] }
}

/** What resolution can look at of each state; undefined when that cannot be told without the whole states. */
async function relevantParts(
  version: RoomVersion,
  first: StateRoot,
  conflict: Conflict,
  states: DraftStates,
  load: LoadEvents,
): Promise<readonly ReadonlyStateMap<EventId>[] | undefined> {
  const conflicted = new Set(conflict.parts.flatMap((part) => [...part.values()]))
  const graph = new AuthGraph(load)
  const chain = await graph.reach(conflicted)
  const keys = new Set<StateKey>([stateKeyOf('m.room.create', ''), stateKeyOf('m.room.power_levels', '')])
  for (const { pdu } of chain) for (const { type, stateKey } of authTypesFor(pdu, version)) keys.add(stateKeyOf(type, stateKey))
  for (const { pdu } of chain) if (pdu.state_key !== undefined) keys.add(stateKeyOf(pdu.type, pdu.state_key))
  const agreed = await states.lookUpMany(first, [...keys.difference(conflict.keys)])
  const common = new Set((await graph.reach(new Set(agreed.values()))).map(({ eventId }) => eventId))
  const sides = conflict.parts.map((part) => graph.reachableFrom(part.values(), common))
  for (const { eventId } of chain) {
    if (conflicted.has(eventId) || common.has(eventId)) continue
    const count = sides.filter((side) => side.has(eventId)).length
    if (count > 0 && count < sides.length) return undefined
  }
  return conflict.parts.map((part) => new Map([...part, ...agreed]))
}

/** The events of some auth chains, each read once. */
class AuthGraph {
  readonly #load: LoadEvents
  readonly #events = new Map<EventId, StoredEvent>()

  constructor(load: LoadEvents) {
    this.#load = load
  }

  /** The events and everything they reach, in no order. @throws AuthChainTooLongError */
  async reach(start: ReadonlySet<EventId>): Promise<StoredEvent[]> {
    const reached = new Map<EventId, StoredEvent | undefined>()
    let level = [...start]
    while (level.length > 0) {
      const lacking = level.filter((eventId) => !this.#events.has(eventId))
      for (const event of lacking.length === 0 ? [] : await this.#load(lacking)) {
        if (event !== undefined) this.#events.set(event.eventId, event)
      }
      for (const eventId of level) reached.set(eventId, this.#events.get(eventId))
      if (reached.size > limits.implementation.authChainEventsMax) throw new AuthChainTooLongError('the auth chains of a fork are too long')
      const next = level.flatMap((eventId) => this.#citedBy(eventId))
      level = [...new Set(next)].filter((eventId) => !reached.has(eventId))
    }
    return [...reached.values()].filter((event) => event !== undefined)
  }

  /** Everything reached from there that was read before and is not in `stop`. */
  reachableFrom(start: Iterable<EventId>, stop: ReadonlySet<EventId>): Set<EventId> {
    const reached = new Set<EventId>()
    const waiting = [...start]
    for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
      if (reached.has(eventId) || stop.has(eventId)) continue
      reached.add(eventId)
      waiting.push(...this.#citedBy(eventId))
    }
    return reached
  }

  #citedBy(eventId: EventId): readonly EventId[] {
    const event = this.#events.get(eventId)
    return event === undefined ? [] : authEventIdsOf(event.pdu)
  }
}

/** Resolves after loading everything that resolution looks at. */
async function resolveLoaded(
  version: RoomVersion,
  parts: readonly ReadonlyStateMap<EventId>[],
  load: LoadEvents,
): Promise<Map<StateKey, EventId>> {
  const steps = neededForResolution(version, parts, () => undefined)
  let count = 0
  let step = steps.next()
  while (step.done !== true) {
    const loaded = (await load(step.value)).filter((event) => event !== undefined).map(toAuthEvent)
    count += loaded.length
    if (count > limits.implementation.authChainEventsMax) throw new AuthChainTooLongError('the auth chains of a fork are too long')
    step = steps.next(loaded)
  }
  const events = step.value
  return resolveState(version, parts, { event: (eventId) => events.get(eventId) })
}
