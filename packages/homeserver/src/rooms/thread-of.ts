import { limits } from '../limits.ts'
import { relationOf } from './relations.ts'
import type { Rooms } from './rooms.ts'
import type { StoredEvent } from './stored-event.ts'

/** The name that receipts and counts give to what is in no thread. */
export const mainTimeline = 'main'

/**
 * The thread that an event is in: the id of its root, or `main`. What relates to an event is in that event's thread.
 * @see https://spec.matrix.org/latest/client-server-api/#threaded-read-receipts
 */
export async function threadOf(rooms: Pick<Rooms, 'event'>, event: StoredEvent): Promise<string> {
  let current: StoredEvent | undefined = event
  for (let hop = 0; hop < limits.implementation.threadHopsMax && current !== undefined; hop++) {
    const relation = relationOf(current.pdu)
    if (relation?.relType === 'm.thread') return relation.target
    const next: StoredEvent | undefined = relation === undefined ? undefined : await rooms.event(relation.target)
    current = next?.roomId === event.roomId ? next : undefined
  }
  return mainTimeline
}
