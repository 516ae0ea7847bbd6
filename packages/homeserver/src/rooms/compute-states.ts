import { type EventId, prevEventIdsOf, serverNameOf, stateKeyOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { AuthChainTooLongError } from './resolve-states.ts'
import type { RoomDraft } from './room-draft.ts'
import { RulesFor } from './rules-for.ts'
import { EMPTY_STATE, type StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * The states after these events, undefined where they cannot be had. Events that came by backfill have none: where their history reaches
 * back to events with a state, theirs are put together from there, a bounded number of them.
 */
export async function statesAfter(draft: RoomDraft, eventIds: readonly EventId[]): Promise<(StateRoot | undefined)[]> {
  for (const event of await draft.eventsOf(eventIds))
    if (event !== undefined && isUnplacedCreate(draft, event)) await placeCreate(draft, event)
  const events = await draft.eventsOf(eventIds)
  const lacking = events.filter((event) => event !== undefined).filter((event) => event.stateAfter === undefined)
  if (lacking.length > 0 && lacking.every(isInHistory)) {
    await computeBack(draft, lacking)
    return (await draft.eventsOf(eventIds)).map((event) => event?.stateAfter)
  }
  const roots = events.map((event) => event?.stateAfter)
  for (const [index, eventId] of eventIds.entries()) roots[index] ??= await foundByJoin(draft, eventId)
  return roots
}

/**
 * What a join of a user here found that has one predecessor only is what that left behind, be it here or not. So what happened beside the
 * join needs nothing of what was before it. All that is known of the room rests on that state; what another server told of the state before
 * an event of its own must count for nobody else's.
 */
async function foundByJoin(draft: RoomDraft, eventId: EventId): Promise<StateRoot | undefined> {
  // A state that lacks members is no ground to build on.
  if (draft.room.row.partial !== undefined) return undefined
  const successors = await draft.eventsOf([...draft.successorsOf(eventId)])
  const isOwn = ({ pdu }: StoredEvent): boolean => serverNameOf(pdu.sender) === draft.serverName && prevEventIdsOf(pdu).length === 1
  return successors.find((next) => next?.stateBefore !== undefined && isOwn(next))?.stateBefore
}

/** The event that began the room, as it came with the state of a join. */
function isUnplacedCreate(draft: RoomDraft, event: StoredEvent): boolean {
  const isCreate = event.status === 'outlier' && prevEventIdsOf(event.pdu).length === 0
  // While members are missing, nothing else is placed either.
  if (draft.room.row.partial !== undefined) return false
  return isCreate && draft.current.at(stateKeyOf('m.room.create', ''))?.eventId === event.eventId
}

/** Nothing was before it, so the state around it is always known: history that is fetched back to it can be placed. */
async function placeCreate(draft: RoomDraft, event: StoredEvent): Promise<void> {
  await draft.insert({ ...event, status: 'accepted', stateBefore: EMPTY_STATE })
  const placed = await draft.event(event.eventId)
  if (placed !== undefined) await draft.connect(placed)
}

/** Whether the event was placed by a backfill. */
function isInHistory(event: StoredEvent): boolean {
  return event.status === 'accepted' || event.status === 'rejected'
}

async function computeBack(draft: RoomDraft, start: readonly StoredEvent[]): Promise<void> {
  // A state that lacks members is no ground to build on.
  if (draft.room.row.partial !== undefined) return
  const stateless = new Map<EventId, StoredEvent>()
  let level = start
  while (level.length > 0) {
    for (const event of level) stateless.set(event.eventId, event)
    if (stateless.size > limits.implementation.statesComputedAtOnceMax) return
    const prevEventIds = [...new Set(level.flatMap(({ pdu }) => prevEventIdsOf(pdu)))].filter((eventId) => !stateless.has(eventId))
    const prevEvents = await draft.eventsOf(prevEventIds)
    const next: StoredEvent[] = []
    for (const event of prevEvents) {
      if (event === undefined || (event.stateAfter === undefined && !isInHistory(event))) return
      if (event.stateAfter === undefined) next.push(event)
    }
    level = next
  }
  await computeForward(draft, [...stateless.values()])
}

/** Gives each of these events the states around it whose predecessors have one, or get one here. Depths may lie, so it goes in rounds. */
export async function computeForward(draft: RoomDraft, events: readonly StoredEvent[]): Promise<void> {
  let waiting = events.toSorted((left, right) => left.pdu.depth - right.pdu.depth)
  for (let before = -1; waiting.length !== before && waiting.length > 0;) {
    before = waiting.length
    const left: StoredEvent[] = []
    for (const event of waiting) if (!(await computeBounded(draft, event))) left.push(event)
    waiting = left
  }
}

/** What would need too many events stays without a state. */
async function computeBounded(draft: RoomDraft, event: StoredEvent): Promise<boolean> {
  try {
    return await computeOne(draft, event)
  } catch (error) {
    if (error instanceof AuthChainTooLongError) return false
    throw error
  }
}

async function computeOne(draft: RoomDraft, event: StoredEvent): Promise<boolean> {
  const prevEventIds = prevEventIdsOf(event.pdu)
  if (prevEventIds.length === 0) return false
  const roots = (await draft.eventsOf(prevEventIds)).map((prev) => prev?.stateAfter)
  if (roots.includes(undefined)) return false
  const stateBefore = await draft.merge(roots.filter((root) => root !== undefined))
  const denied = event.status === 'accepted' ? await denialBy(draft, event, stateBefore) : undefined
  if (denied !== undefined) {
    draft.leave(event)
    draft.putAside({ ...event, status: 'rejected', rejectedBecause: denied, stateBefore, stateAfter: stateBefore })
  } else {
    const stateAfter = event.status === 'rejected' ? stateBefore : await draft.stateAfter(event, stateBefore)
    draft.putAside({ ...event, stateBefore, stateAfter })
  }
  return true
}

/** The rule that denies the event in that state. */
export async function denialBy(draft: RoomDraft, event: StoredEvent, stateBefore: StateRoot): Promise<string | undefined> {
  const outcome = await (await RulesFor.event(draft, event)).byState(stateBefore)
  return outcome.kind === 'denied' ? outcome.rule : undefined
}
