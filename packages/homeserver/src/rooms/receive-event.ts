import {
  type AuthEvent,
  authEventIdsOf,
  authorise,
  authoriseByAuthEvents,
  authTypesFor,
  type EventId,
  type Pdu,
  prevEventIdsOf,
  type RoomId,
  unreachable,
} from '@kith/matrix-protocol'
import type { ReceiveOutcome } from './outcomes.ts'
import { toAuthEvent } from './room.ts'
import type { AppendedEvent, RoomDraft } from './room-draft.ts'
import type { RoomsContext } from './rooms-context.ts'
import type { StoredEvent } from './stored-event.ts'
import { type VerifiedPdu, verifyPdus } from './verify-pdu.ts'

export interface ReceiveOptions {
  /** Whether the other servers of the room hear of the event from here. */
  readonly forward: boolean
}

type ValidPdu = Extract<VerifiedPdu, { kind: 'valid' }>

/** What became of an event inside of a draft. */
type Judgement =
  | { readonly kind: 'appended'; readonly appended: AppendedEvent }
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
  // Each event is a job of its own, so that local sends get their turn in between; jobs waiting together share a commit.
  const outcomes = verified.map(async (event) => [event.eventId, await receiveVerified(context, roomId, event, options, signal)] as const)
  const settled = await Promise.allSettled(outcomes)
  const failed = settled.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return new Map(settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])))
}

async function receiveVerified(
  context: RoomsContext,
  roomId: RoomId,
  event: VerifiedPdu,
  options: ReceiveOptions,
  signal: AbortSignal,
): Promise<ReceiveOutcome> {
  if (event.kind === 'invalid') return { kind: 'rejected', eventId: event.eventId, reason: event.reason }
  return context.queues.run(roomId, async (draft) => toOutcome(await judge(draft, event, options)), signal)
}

function toOutcome(judgement: Judgement): () => ReceiveOutcome {
  if (judgement.kind !== 'appended') return () => judgement
  const { appended } = judgement
  return () => ({ kind: 'accepted', eventId: appended.event.eventId, position: appended.position })
}

async function judge(draft: RoomDraft, { eventId, pdu }: ValidPdu, options: ReceiveOptions): Promise<Judgement> {
  const known = await draft.event(eventId)
  if (known !== undefined && hasPlace(known)) return { kind: 'duplicate', eventId }
  // Only the create event has no predecessor, and the room has one already.
  if (prevEventIdsOf(pdu).length === 0)
    return known === undefined ? { kind: 'rejected', eventId, reason: 'prev-events.none' } : { kind: 'duplicate', eventId }
  const prevEvents = await draft.eventsOf(prevEventIdsOf(pdu))
  const missing = prevEventIdsOf(pdu).filter((_, index) => prevEvents[index]?.stateAfter === undefined)
  const authEvents = await draft.eventsOf(authEventIdsOf(pdu))
  missing.push(...authEventIdsOf(pdu).filter((_, index) => authEvents[index] === undefined))
  if (missing.length > 0) return { kind: 'missing', eventId, eventIds: [...new Set(missing)] }
  const statesAfter = prevEvents.map((prev) => prev?.stateAfter).filter((id) => id !== undefined)
  const isForeign = [...prevEvents, ...authEvents].some((event) => event?.roomId !== draft.room.roomId)
  if (isForeign) return reject(draft, { eventId, pdu }, undefined, 'prev-events.other-room')
  return judgeInState(draft, { eventId, pdu, stateBefore: await draft.merge(statesAfter) }, options)
}

/** @param event whose auth events are stored. */
export async function judgeInState(
  draft: RoomDraft,
  event: { readonly eventId: EventId; readonly pdu: Pdu; readonly stateBefore: number },
  options: ReceiveOptions,
): Promise<Judgement> {
  const { eventId, pdu, stateBefore } = event
  const { version, roomId } = draft.room
  const context = await draft.authContext()
  const candidate: AuthEvent = { eventId, pdu, rejected: false }
  const authEvents = (await draft.eventsOf(authEventIdsOf(pdu))).filter((found) => found !== undefined).map(toAuthEvent)
  // https://spec.matrix.org/latest/server-server-api/#checks-performed-on-receipt-of-a-pdu step 4
  const byAuthEvents = authoriseByAuthEvents(candidate, authEvents, version, context)
  if (byAuthEvents.kind === 'denied') return reject(draft, event, stateBefore, byAuthEvents.rule)
  // 5.
  const keys = authTypesFor(pdu, version)
  const byState = authorise(candidate, await draft.stateForRules(stateBefore, keys), version, context)
  if (byState.kind === 'denied') return reject(draft, event, stateBefore, byState.rule)
  const stored = { eventId, roomId, pdu, status: 'accepted', stateBefore } as const
  // 6.
  const byCurrent = authorise(candidate, await draft.stateForRules(draft.currentSnapshot, keys), version, context)
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
      return { kind: 'soft-failed', eventId, reason: byCurrent.rule }
    default:
      return unreachable(byCurrent)
  }
}

/** A rejected event changes no state, yet descendants may name it. What is part of the state already stays as it is. */
async function reject(
  draft: RoomDraft,
  event: { eventId: EventId; pdu: Pdu },
  stateBefore: number | undefined,
  rule: string,
): Promise<Judgement> {
  const { eventId, pdu } = event
  const state = stateBefore === undefined ? {} : { stateBefore, stateAfter: stateBefore }
  const known = await draft.event(eventId)
  if (known?.status !== 'outlier')
    draft.putAside({ eventId, roomId: draft.room.roomId, pdu, status: 'rejected', rejectedBecause: rule, ...state })
  return { kind: 'rejected', eventId, reason: rule }
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
