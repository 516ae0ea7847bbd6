import type { UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { relationOf, type StoredEvent } from '../rooms/index.ts'
import type { EventFilter } from '../sync/sync-filter.ts'
import type { ConversationParts } from './aggregations.ts'

/** @see https://spec.matrix.org/latest/client-server-api/#filtering */
export async function filterRelated(
  parts: ConversationParts,
  events: readonly StoredEvent[],
  wanted: NonNullable<EventFilter['relatedBy']>,
  userId: UserId,
): Promise<readonly StoredEvent[]> {
  const ignored = await parts.ignoredUsers.of(userId)
  const related = await Promise.all(events.map(async (event) => isRelated(parts, event, wanted, { userId, ignored })))
  return events.filter((_, index) => related[index])
}

async function isRelated(
  { rooms, visibility }: ConversationParts,
  { roomId, eventId: target }: StoredEvent,
  { senders, relTypes }: NonNullable<EventFilter['relatedBy']>,
  reader: { readonly userId: UserId; readonly ignored: ReadonlySet<string> },
): Promise<boolean> {
  const query = { direction: 'b', from: undefined, limit: limits.implementation.relationsAggregatedMax } as const
  for (const relType of relTypes ?? (await rooms.relations.typesOf(roomId, target))) {
    const entries = await rooms.relations.ofType(roomId, target, relType, query)
    const able = entries.filter(({ sender }) => !reader.ignored.has(sender) && (senders?.includes(sender) ?? true))
    const children = (await rooms.events(able.map(({ eventId }) => eventId))).filter((child) => child !== undefined)
    const whole = children.filter((child) => child.redactedBy === undefined && relationOf(child.pdu)?.target === target)
    if ((await visibility.filter(whole, reader.userId)).length > 0) return true
  }
  return false
}
