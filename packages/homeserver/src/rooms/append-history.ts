import { authEventIdsOf, authoriseByAuthEvents, type EventId, type Pdu, prevEventIdsOf, type RoomId } from '@kith/matrix-protocol'
import { computeForward, denialBy } from './compute-states.ts'
import { connectEvent } from './connect-event.ts'
import { isEventIdTaken } from './event-id-taken.ts'
import { idsNear } from './ids-near.ts'
import type { HistoryOutcome } from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { behindGaps, type ValidPdu } from './receive-event.ts'
import { toAuthEvent } from './room.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomsContext } from './rooms-context.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import { type VerifiedPdu, verifyPdus } from './verify-pdu.ts'

/**
 * Stores backfilled events: older than what is known, judged by the events that they cite, and by the state before them where that can
 * be had. Undefined for an unknown room.
 */
export async function appendHistory(
  context: RoomsContext,
  roomId: RoomId,
  pdus: readonly Pdu[],
  authEvents: readonly Pdu[],
  signal: AbortSignal,
): Promise<Map<EventId, HistoryOutcome> | undefined> {
  const room = context.rooms.get(roomId)
  if (room === undefined) return undefined
  const verified = await verifyPdus(pdus, roomId, room.version, context.ports.crypto, signal)
  const outliers = await judgeOutliers(context, roomId, room.version, authEvents, signal)
  await storeOutliers(context, roomId, outliers.values(), signal)
  return context.queues.run(roomId, async (draft) => backfill(draft, verified), signal)
}

async function backfill(draft: RoomDraft, events: readonly VerifiedPdu[]): Promise<() => Map<EventId, HistoryOutcome>> {
  const outcomes = new Map<EventId, HistoryOutcome>()
  const valid: ValidPdu[] = []
  for (const event of events) {
    if (event.kind === 'valid') valid.push(event)
    else outcomes.set(event.eventId, { kind: 'rejected', reason: event.reason })
  }
  await draft.events.load(idsNear(valid))
  const connected = behindGaps(draft, new Map(valid.map(({ eventId, pdu }) => [eventId, pdu])))
  const oldestFirst = valid.sort((left, right) => left.pdu.depth - right.pdu.depth)
  const stored: EventId[] = []
  for (const event of oldestFirst) {
    const outcome = await judgeOne(draft, event)
    outcomes.set(event.eventId, outcome)
    if (outcome.kind === 'accepted' || outcome.kind === 'rejected') stored.push(event.eventId)
  }
  if (draft.room.row.partial === undefined) await giveStates(draft, stored)
  for (const eventId of stored) {
    const event = await draft.event(eventId)
    if (event?.status === 'accepted') await draft.insert(event)
    else outcomes.set(eventId, { kind: 'rejected', reason: event?.rejectedBecause ?? '' })
  }
  // What is known to lie behind the room's events closes a gap; anything else is only shown.
  for (const eventId of stored.toReversed()) {
    const event = await draft.event(eventId)
    if (event !== undefined && connected.has(eventId)) await connectEvent(draft, event)
  }
  return () => outcomes
}

async function judgeOne(draft: RoomDraft, { eventId, pdu }: ValidPdu): Promise<HistoryOutcome> {
  const { roomId, version } = draft.room
  const known = await draft.events.get(eventId)
  if (known !== undefined && (known.status !== 'outlier' || isEventIdTaken(known, roomId, pdu, version))) return { kind: 'duplicate' }
  const authEventIds = authEventIdsOf(pdu)
  const authEvents = await draft.events.getMany(authEventIds)
  const missing = authEventIds.filter((_, index) => authEvents[index] === undefined)
  if (missing.length > 0) return { kind: 'missing', eventIds: missing }
  const cited = authEvents.filter((found) => found !== undefined).map(toAuthEvent)
  const base: StoredEvent = known ?? { eventId, roomId, pdu, status: 'accepted' }
  const outcome = authoriseByAuthEvents({ ...toAuthEvent(base), rejected: false }, cited, version, await draft.authContext())
  if (outcome.kind === 'denied') {
    draft.putAside({ ...base, status: 'rejected', rejectedBecause: outcome.rule })
    return { kind: 'rejected', reason: outcome.rule }
  }
  draft.putAside({ ...base, status: 'accepted' })
  return { kind: 'accepted' }
}

/**
 * The states around backfilled events, where they follow from others: what an only predecessor leaves behind is what its successor
 * found, and a message leaves behind what it found itself; or they are put together from the states of all predecessors.
 */
async function giveStates(draft: RoomDraft, oldestFirst: readonly EventId[]): Promise<void> {
  const events = (await draft.eventsOf(oldestFirst)).filter((event) => event !== undefined)
  const successors = new Map<EventId, Set<EventId>>()
  for (const { eventId } of events) successors.set(eventId, new Set(draft.successorsOf(eventId)))
  for (const { eventId, pdu } of events) for (const prevEventId of prevEventIdsOf(pdu)) successors.get(prevEventId)?.add(eventId)
  for (const { eventId } of events.toReversed()) {
    const event = await draft.event(eventId)
    const following = await draft.eventsOf([...(successors.get(eventId) ?? [])])
    const only = following.find((next) => next?.stateBefore !== undefined && prevEventIdsOf(next.pdu).length === 1)
    if (event === undefined || only?.stateBefore === undefined) continue
    draft.putAside(await withStateAfter(draft, event, only.stateBefore))
  }
  const lacking = (await draft.eventsOf(oldestFirst))
    .filter((event) => event !== undefined)
    .filter((event) => event.stateAfter === undefined)
  await computeForward(draft, lacking)
}

/** What changes no state finds what it leaves behind. Of what changes it, only that is known. */
async function withStateAfter(draft: RoomDraft, event: StoredEvent, stateAfter: StateRoot): Promise<StoredEvent> {
  if (event.status === 'rejected') return { ...event, stateBefore: stateAfter, stateAfter }
  if (event.pdu.state_key !== undefined) return { ...event, stateAfter }
  const denied = await denialBy(draft, event, stateAfter)
  const placed = { ...event, stateBefore: stateAfter, stateAfter }
  return denied === undefined ? placed : { ...placed, status: 'rejected', rejectedBecause: denied }
}
