import { authEventIdsOf, type EventId, type Pdu, prevEventIdsOf, type RoomId, unreachable } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { statesAfter } from './compute-states.ts'
import { connectEvent } from './connect-event.ts'
import { isEventIdTaken } from './event-id-taken.ts'
import { idsNear } from './ids-near.ts'
import type { ReceiveOutcome } from './outcomes.ts'
import { judgeByCitations } from './outliers.ts'
import { AuthChainTooLongError } from './resolve-states.ts'
import type { AppendedEvent } from './draft-rows.ts'
import type { EventWithState, RoomDraft } from './room-draft.ts'
import type { RoomsContext } from './rooms-context.ts'
import { RulesFor } from './rules-for.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import { isWholeCopyOf } from './whole-copy.ts'
import { type VerifiedPdu, verifyPdus } from './verify-pdu.ts'

export interface ReceiveOptions {
  /** Whether the other servers of the room hear of the event from here. */
  readonly forward: boolean
  /** An event that is part of the room follows this one, so it takes its place in the history and is not new. */
  readonly late?: boolean
}

export type ValidPdu = Extract<VerifiedPdu, { kind: 'valid' }>

/** What became of an event inside of a draft. */
export type Judgement =
  | { readonly kind: 'appended'; readonly appended: AppendedEvent }
  | { readonly kind: 'inserted'; readonly eventId: EventId }
  | Exclude<ReceiveOutcome, { readonly kind: 'accepted' } | { readonly kind: 'unknown-room' }>

/** Outcomes by event id, in the order of the events. Signatures are verified before the room's turn comes. */
export async function receiveEvents(
  context: RoomsContext,
  roomId: RoomId,
  pdus: readonly Pdu[],
  options: ReceiveOptions,
  signal: AbortSignal,
): Promise<Map<EventId, ReceiveOutcome> | undefined> {
  const room = context.rooms.get(roomId)
  if (room === undefined) return undefined
  const verified = await verifyPdus(pdus, roomId, room.version, context.ports.crypto, signal)
  // Groups of a bounded size, so that local sends get their turn in between; jobs waiting together share a commit.
  const { receivedAtOnceMax } = limits.implementation
  const jobs: Promise<Map<EventId, ReceiveOutcome>>[] = []
  for (let start = 0; start < verified.length; start += receivedAtOnceMax) {
    const group = new ReceivedGroup(verified.slice(start, start + receivedAtOnceMax), verified, options)
    jobs.push(context.queues.run(roomId, async (draft) => group.judge(context, draft), signal))
  }
  const settled = await Promise.allSettled(jobs)
  const failed = settled.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return new Map(settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [...outcome.value] : [])))
}

/**
 * Events that are judged in one turn, and what they know of each other. Should a read fail halfway, those before may yet be committed with
 * other jobs of the room; whoever sends them again hears that they are known.
 */
class ReceivedGroup {
  readonly #events: readonly VerifiedPdu[]
  readonly #all: ReadonlyMap<EventId, Pdu>
  readonly #options: ReceiveOptions

  constructor(events: readonly VerifiedPdu[], all: readonly VerifiedPdu[], options: ReceiveOptions) {
    this.#events = events
    this.#all = new Map(all.flatMap((event) => (event.kind === 'valid' ? [[event.eventId, event.pdu]] : [])))
    this.#options = options
  }

  async judge(context: RoomsContext, draft: RoomDraft): Promise<() => Map<EventId, ReceiveOutcome>> {
    const valid = this.#events.filter((event) => event.kind === 'valid')
    await draft.events.load(idsNear(valid))
    const late = behindGaps(draft, this.#all)
    const judgements = new Map<EventId, Judgement>()
    for (const event of this.#events) judgements.set(event.eventId, await this.#judgeOne(draft, event, late))
    for (const [eventId, judgement] of judgements) {
      if (judgement.kind !== 'missing') continue
      // It came for the sake of one that cites it, and is known now as far as anybody needs it.
      const admitted = draft.events.changed.get(eventId)
      if (admitted?.status === 'outlier') judgements.set(eventId, { kind: 'duplicate', eventId })
    }
    return () => new Map(Array.from(judgements, ([eventId, judgement]) => [eventId, toOutcome(context, judgement)]))
  }

  async #judgeOne(draft: RoomDraft, event: VerifiedPdu, late: ReadonlySet<EventId>): Promise<Judgement> {
    const { eventId } = event
    if (event.kind === 'invalid') return { kind: 'rejected', eventId, reason: event.reason }
    return rejectingTooLong(eventId, async () => judge(draft, event, this.#all, { ...this.#options, late: late.has(eventId) }))
  }
}

/** Rejects, without storing anything, an event that would make this server read without end. Whoever made such a chain made it for this. */
export async function rejectingTooLong(eventId: EventId, judging: () => Promise<Judgement>): Promise<Judgement> {
  try {
    return await judging()
  } catch (error) {
    if (error instanceof AuthChainTooLongError) return { kind: 'rejected', eventId, reason: 'auth-chain.too-long' }
    throw error
  }
}

function toOutcome(context: RoomsContext, judgement: Judgement): ReceiveOutcome {
  switch (judgement.kind) {
    case 'appended':
      return { kind: 'accepted', eventId: judgement.appended.eventId, position: judgement.appended.position }
    case 'inserted':
      return { kind: 'accepted', eventId: judgement.eventId, position: context.timeline.position }
    default:
      return judgement
  }
}

/** Those of the events that an event of the room follows, by itself or through others of them. */
export function behindGaps(draft: RoomDraft, events: ReadonlyMap<EventId, Pdu>): ReadonlySet<EventId> {
  const late = new Set<EventId>()
  const waiting = [...events.keys()].filter((eventId) => draft.isBehindGap(eventId))
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    const pdu = events.get(eventId)
    if (pdu === undefined || late.has(eventId)) continue
    late.add(eventId)
    waiting.push(...prevEventIdsOf(pdu))
  }
  return late
}

async function judge(
  draft: RoomDraft,
  { eventId, pdu }: ValidPdu,
  group: ReadonlyMap<EventId, Pdu>,
  options: ReceiveOptions,
): Promise<Judgement> {
  const known = await draft.events.get(eventId)
  if (isEventIdTaken(known, draft.room.roomId, pdu, draft.room.version)) return { kind: 'rejected', eventId, reason: 'event-id.taken' }
  if (known !== undefined && isWholeCopyOf(known, pdu, draft.room.version)) draft.restore({ ...known, pdu })
  if (known !== undefined && hasPlace(known)) return { kind: 'duplicate', eventId }
  const prevEventIds = prevEventIdsOf(pdu)
  const authEventIds = authEventIdsOf(pdu)
  // Only the create event has no predecessor, and the room has one already.
  if (prevEventIds.length === 0)
    return known === undefined ? { kind: 'rejected', eventId, reason: 'prev-events.none' } : { kind: 'duplicate', eventId }
  const prevEvents = await draft.eventsOf(prevEventIds)
  // Those of other rooms included: the rules reject what cites them.
  const authEvents = await draft.events.getMany(authEventIds)
  const states = await statesAfter(draft, prevEventIds)
  const missing = prevEventIds.filter((_, index) => states[index] === undefined)
  const uncited = authEventIds.filter((_, index) => authEvents[index] === undefined)
  const lacking = missing.length > 0 ? uncited : await admitCited(draft, uncited, group)
  if (missing.length > 0 || lacking.length > 0) {
    const notHere = prevEventIds.filter((_, index) => prevEvents[index] === undefined || prevEvents[index].status === 'outlier')
    if (options.late === true) draft.deepenGap(eventId, notHere)
    const eventIds = [...new Set([...missing, ...lacking])]
    return { kind: 'missing', eventId, eventIds, authEventIds: lacking }
  }
  const stateBefore = await draft.merge(states.filter((root) => root !== undefined))
  return judgeInState(draft, { eventId, pdu, stateBefore }, options)
}

/** Stores events of the group as outliers because others cite them, where that is all they are needed for. Returns those still missing. */
async function admitCited(draft: RoomDraft, uncited: readonly EventId[], group: ReadonlyMap<EventId, Pdu>): Promise<EventId[]> {
  if (uncited.every((eventId) => !group.has(eventId))) return [...uncited]
  const cited = new Map<EventId, Pdu>()
  const waiting = [...uncited]
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    const pdu = group.get(eventId)
    if (pdu === undefined || cited.has(eventId)) continue
    cited.set(eventId, pdu)
    waiting.push(...authEventIdsOf(pdu))
  }
  const { roomId, version } = draft.room
  const judged = await judgeByCitations({ roomId, version, pdus: cited, load: async (ids) => draft.eventsOf(ids) })
  for (const eventId of cited.keys()) {
    const event = judged.get(eventId)
    if (event !== undefined && (await draft.events.get(eventId)) === undefined) draft.putAside(event)
  }
  return uncited.filter((eventId) => !judged.has(eventId))
}

interface Candidate {
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly stateBefore: StateRoot
}

/**
 * @see https://spec.matrix.org/latest/server-server-api/#checks-performed-on-receipt-of-a-pdu steps 4 to 6
 * @param event whose auth events are stored.
 */
export async function judgeInState(draft: RoomDraft, event: Candidate, options: ReceiveOptions): Promise<Judgement> {
  const { eventId, stateBefore } = event
  const { roomId } = draft.room
  const known = await draft.event(eventId)
  const stored: EventWithState = { ...(known ?? { eventId, roomId, pdu: event.pdu }), status: 'accepted', stateBefore }
  draft.noteJudged(eventId)
  const rules = await RulesFor.event(draft, stored)
  // 4.
  const byAuthEvents = rules.byAuthEvents()
  if (byAuthEvents.kind === 'denied') return reject(draft, event, byAuthEvents.rule, options)
  // 5.
  const byState = await rules.byState(stateBefore)
  if (byState.kind === 'denied') return reject(draft, event, byState.rule, options)
  if (options.late === true) {
    await draft.insert(stored)
    await connectStored(draft, eventId)
    return { kind: 'inserted', eventId }
  }
  // 6.
  const byCurrent = await rules.byState(draft.currentState)
  switch (byCurrent.kind) {
    case 'allowed':
      return { kind: 'appended', appended: await draft.append(stored, options) }
    case 'denied':
      draft.putAside({
        ...stored,
        status: 'soft-failed',
        stateAfter: await draft.stateAfter(stored, stateBefore),
        rejectedBecause: byCurrent.rule,
      })
      draft.doubts.begin(eventId)
      return { kind: 'soft-failed', eventId, reason: byCurrent.rule }
    default:
      return unreachable(byCurrent)
  }
}

/** A rejected event changes no state, yet descendants may name it. */
async function reject(
  draft: RoomDraft,
  { eventId, pdu, stateBefore }: Candidate,
  rule: string,
  options: ReceiveOptions,
): Promise<Judgement> {
  const known = await draft.event(eventId)
  const base = known ?? { eventId, roomId: draft.room.roomId, pdu }
  draft.putAside({ ...base, status: 'rejected', rejectedBecause: rule, stateBefore, stateAfter: stateBefore })
  if (options.late === true) await connectStored(draft, eventId)
  return { kind: 'rejected', eventId, reason: rule }
}

async function connectStored(draft: RoomDraft, eventId: EventId): Promise<void> {
  const event = await draft.event(eventId)
  if (event !== undefined) await connectEvent(draft, event)
}

/** Known not only as state or as part of an auth chain. */
function hasPlace(event: StoredEvent): boolean {
  switch (event.status) {
    case 'accepted':
    case 'soft-failed':
      return true
    case 'rejected':
      return event.stateBefore !== undefined
    case 'outlier':
      return false
    default:
      return unreachable(event.status)
  }
}
