import { limits } from '../limits.ts'
import { relationOf } from './relations.ts'
import type { Rooms } from './rooms.ts'
import type { StoredEvent } from './stored-event.ts'

/** The name that receipts and counts give to what is in no thread. */
export const mainTimeline = 'main'

/**
 * The thread that an event is in: the id of its root, or `main`. What relates to an event is in that event's thread. Undefined where nobody
 * can know: what was taken back says no more to what it relates, and what is not held here never did.
 * @see https://spec.matrix.org/latest/client-server-api/#threaded-read-receipts
 */
export async function threadOf(rooms: Pick<Rooms, 'event'>, event: StoredEvent): Promise<string | undefined> {
  let current = event
  for (let hop = 0; hop < limits.implementation.threadHopsMax; hop++) {
    if (current.redactedBy !== undefined) return undefined
    const relation = relationOf(current.pdu)
    if (relation === undefined) return mainTimeline
    if (relation.relType === 'm.thread') return relation.target
    const next = await rooms.event(relation.target)
    if (next === undefined) return undefined
    if (next.roomId !== event.roomId) return mainTimeline
    current = next
  }
  return mainTimeline
}
