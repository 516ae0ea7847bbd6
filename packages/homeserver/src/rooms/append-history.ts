import { authEventIdsOf, authoriseByAuthEvents, type EventId, type Pdu, type RoomId } from '@kith/matrix-protocol'
import type { HistoryOutcome } from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { toAuthEvent } from './room.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomsContext } from './rooms-context.ts'
import { type VerifiedPdu, verifyPdus } from './verify-pdu.ts'

/**
 * Stores backfilled events: older than what is known, judged by the events that they cite, since nobody here knows the state there.
 * Undefined for an unknown room.
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
  const oldestFirst = verified.sort((a, b) => depthOf(a) - depthOf(b))
  const outliers = await judgeOutliers(context, roomId, room.version, authEvents, signal)
  await storeOutliers(context, outliers.values(), signal)
  const job = async (draft: RoomDraft): Promise<() => Map<EventId, HistoryOutcome>> => {
    const outcomes = new Map<EventId, HistoryOutcome>()
    for (const event of oldestFirst) outcomes.set(event.eventId, await backfillOne(draft, event))
    return () => outcomes
  }
  return context.queues.run(roomId, job, signal)
}

async function backfillOne(draft: RoomDraft, event: VerifiedPdu): Promise<HistoryOutcome> {
  if (event.kind === 'invalid') return { kind: 'rejected', reason: event.reason }
  const { eventId, pdu } = event
  const { roomId, version } = draft.room
  const known = await draft.event(eventId)
  if (known !== undefined && known.status !== 'outlier') return { kind: 'duplicate' }
  const authEvents = await draft.eventsOf(authEventIdsOf(pdu))
  const missing = authEventIdsOf(pdu).filter((_, index) => authEvents[index] === undefined)
  if (missing.length > 0) return { kind: 'missing', eventIds: missing }
  const cited = authEvents.filter((found) => found !== undefined).map(toAuthEvent)
  const outcome = authoriseByAuthEvents({ eventId, pdu, rejected: false }, cited, version, await draft.authContext())
  if (outcome.kind === 'denied') {
    draft.putAside({ eventId, roomId, pdu, status: 'rejected', rejectedBecause: outcome.rule })
    return { kind: 'rejected', reason: outcome.rule }
  }
  await draft.backfill({ ...known, eventId, roomId, pdu: known?.pdu ?? pdu, status: 'accepted' })
  return { kind: 'accepted' }
}

function depthOf(event: VerifiedPdu): number {
  return event.kind === 'valid' ? event.pdu.depth : 0
}
