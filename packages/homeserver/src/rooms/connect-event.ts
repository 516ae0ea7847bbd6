import { prevEventIdsOf } from '@kith/matrix-protocol'
import { findFollowed } from './dag-walks.ts'
import type { RoomDraft } from './room-draft.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * Takes an event that was just stored behind a gap into the DAG. Where that closes a gap, what was judged as new while nobody knew better
 * shows itself as old: after a rejoin, what happened meanwhile may come before anything that connects it with the join, and its senders may
 * have lost their rights since. What became of it must not depend on the order of arrival.
 */
export async function connectEvent(draft: RoomDraft, event: StoredEvent): Promise<void> {
  const closesGap = draft.isBehindGap(event.eventId)
  await draft.connect(event)
  if (!closesGap || draft.doubts.eventIds.length === 0) return
  const doubtful = (await draft.eventsOf(draft.doubts.eventIds))
    .filter((doubt) => doubt?.status === 'soft-failed')
    .filter((doubt) => doubt !== undefined)
  const wanted = { eventIds: new Set(doubtful.map(({ eventId }) => eventId)), minDepth: Math.min(...doubtful.map(({ pdu }) => pdu.depth)) }
  const followed = await findFollowed(draft.events, prevEventIdsOf(event.pdu), wanted)
  if (followed.size === 0) return
  for (const { rejectedBecause: _, ...doubt } of doubtful)
    if (followed.has(doubt.eventId)) await draft.insert({ ...doubt, status: 'accepted' })
  draft.doubts.end(followed)
}
