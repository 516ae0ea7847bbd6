import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { authorise } from '../auth-rules/authorise.ts'
import { sha1Hex } from '../bytes/sha1.ts'
import { type ReadonlyStateMap, splitStateKey, type StateKey, type StateMap, stateKeyOf } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { EventGraph } from './event-graph.ts'

const POWER_LEVELS = stateKeyOf('m.room.power_levels', '')

/**
 * State resolution of room version 1: conflicts about what authorises events are decided first, by depth; then all others.
 * Looks at no auth chains. As in the servers that have such rooms, conflicts of one kind do not influence each other, so that their order
 * does not matter; and where no candidate for an entry passes, the last one tried stays, which the specification leaves open.
 * @see https://spec.matrix.org/latest/rooms/v1/#state-resolution
 * @throws MissingEventError
 */
export function resolveStateV1(stateSets: readonly ReadonlyStateMap<EventId>[], graph: EventGraph): StateMap<EventId> {
  const { agreed, conflicts } = splitStateV1(stateSets)
  const resolved = agreed
  const candidatesFor = new Map([...conflicts].map(([key, ids]) => [key, [...ids].map((eventId) => graph.get(eventId))]))
  // Power levels, then join rules, then memberships: each kind in the state that the kinds before it left.
  for (const isOfKind of [isPowerLevels, isJoinRules, isMember]) {
    const decided = [...candidatesFor]
      .filter(([key]) => isOfKind(key))
      .map(([key, events]) => [key, lastAllowed(events, resolved, graph)] as const)
    for (const [key, event] of decided) {
      resolved.set(key, event.eventId)
      candidatesFor.delete(key)
    }
  }
  // No other events affect the authorisation rules.
  const decided = [...candidatesFor].map(([key, events]) => [key, deepestAllowed(events, resolved, graph)] as const)
  for (const [key, event] of decided) resolved.set(key, event.eventId)
  return resolved
}

export interface SplitStateV1 {
  /** The entries about which no two states differ, those that only some have included. */
  readonly agreed: StateMap<EventId>
  /** The events of all other entries. */
  readonly conflicts: ReadonlyMap<StateKey, ReadonlySet<EventId>>
}

/**
 * Unlike in later versions, an entry that only some states have is no conflict.
 * @see https://spec.matrix.org/latest/rooms/v1/#state-resolution
 */
export function splitStateV1(stateSets: readonly ReadonlyStateMap<EventId>[]): SplitStateV1 {
  const agreed: StateMap<EventId> = new Map()
  const conflicts = new Map<StateKey, Set<EventId>>()
  for (const state of stateSets) {
    for (const [key, eventId] of state) {
      const other = agreed.get(key)
      if (other === undefined) agreed.set(key, eventId)
      else if (other !== eventId) conflicts.set(key, (conflicts.get(key) ?? new Set([other])).add(eventId))
    }
  }
  for (const key of conflicts.keys()) agreed.delete(key)
  return { agreed, conflicts }
}

function isPowerLevels(key: StateKey): boolean {
  return key === POWER_LEVELS
}

function isJoinRules(key: StateKey): boolean {
  return splitStateKey(key).type === 'm.room.join_rules'
}

function isMember(key: StateKey): boolean {
  return splitStateKey(key).type === 'm.room.member'
}

/** From the shallowest candidate upwards, as long as each is allowed where the one before it stands. */
function lastAllowed(candidates: readonly AuthEvent[], state: ReadonlyStateMap<EventId>, graph: EventGraph): AuthEvent {
  const [first, ...later] = deepestFirst(candidates).toReversed() as [AuthEvent, ...AuthEvent[]]
  let last = first
  for (const event of later) {
    if (!isAllowed(event, last, state, graph)) return last
    last = event
  }
  return last
}

/** From the deepest candidate downwards, the first that is allowed; otherwise the shallowest. */
function deepestAllowed(candidates: readonly AuthEvent[], state: ReadonlyStateMap<EventId>, graph: EventGraph): AuthEvent {
  const ordered = deepestFirst(candidates)
  return ordered.find((event) => isAllowed(event, undefined, state, graph)) ?? (ordered.at(-1) as AuthEvent)
}

/** By descending depth, then by ascending SHA-1 of the id, which only equal depths ask for. */
function deepestFirst(events: readonly AuthEvent[]): AuthEvent[] {
  const hashes = new Map<EventId, string>()
  const hashOf = (eventId: EventId): string => {
    const hash = hashes.get(eventId) ?? sha1Hex(eventId)
    hashes.set(eventId, hash)
    return hash
  }
  return events.toSorted((left, right) => right.pdu.depth - left.pdu.depth || (hashOf(left.eventId) < hashOf(right.eventId) ? -1 : 1))
}

/** @param candidate stands in the state for the conflicted entry that it is a candidate for. */
function isAllowed(event: AuthEvent, candidate: AuthEvent | undefined, state: ReadonlyStateMap<EventId>, graph: EventGraph): boolean {
  const lookUp = (type: string, stateKey: string): AuthEvent | undefined => {
    if (candidate?.pdu.type === type && candidate.pdu.state_key === stateKey) return candidate
    const eventId = state.get(stateKeyOf(type, stateKey))
    return eventId === undefined ? undefined : graph.get(eventId)
  }
  return authorise(event, lookUp, graph.version, { createEvent: undefined }).kind === 'allowed'
}
