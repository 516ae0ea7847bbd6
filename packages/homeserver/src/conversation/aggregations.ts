import { type EventId, ownObject, type UserId } from '@kith/matrix-protocol'
import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import { limits } from '../limits.ts'
import { type RelationEntry, relationOf, type Rooms, type StoredEvent } from '../rooms/index.ts'
import type { Aggregated, EventAggregations } from '../sync/client-events.ts'
import type { Visibility } from '../sync/visibility.ts'

type Bundled = 'm.replace' | 'm.thread' | 'm.reference'

interface Wanted {
  readonly event: StoredEvent
  readonly relType: Bundled
}

interface Children extends Wanted {
  readonly entries: readonly RelationEntry[]
}

export interface ConversationParts {
  readonly rooms: Rooms
  readonly visibility: Visibility
  readonly ignoredUsers: IgnoredUsers
}

/**
 * What goes with events because of others that relate to them, as one user may see it.
 * @see https://spec.matrix.org/latest/client-server-api/#aggregations-of-child-events
 */
export class Aggregations implements EventAggregations {
  readonly #parts: ConversationParts

  constructor(parts: ConversationParts) {
    this.#parts = parts
  }

  /** For many events at once: what exists is one read, what of it may be shown another. */
  async of(events: readonly StoredEvent[], userId: UserId): Promise<ReadonlyMap<EventId, Aggregated>> {
    const children = await this.#childrenOf(events)
    if (children.length === 0) return new Map()
    const ignored = await this.#parts.ignoredUsers.of(userId)
    const heard = children.map((child) => ({ ...child, entries: child.entries.filter(({ sender }) => !ignored.has(sender)) }))
    const visible = await this.#visible(
      heard.flatMap(({ entries }) => entries.map(({ eventId }) => eventId)),
      userId,
    )
    const aggregated = new Map<EventId, Aggregated>()
    for (const { event, relType, entries } of heard) {
      const found = entries.flatMap(({ eventId }) => visible.get(eventId) ?? []).filter((child) => isChild(child, event, relType))
      if (found.length === 0) continue
      aggregated.set(event.eventId, { ...aggregated.get(event.eventId), ...aggregate(event, relType, found, userId) })
    }
    return aggregated
  }

  async #childrenOf(events: readonly StoredEvent[]): Promise<Children[]> {
    const { relations } = this.#parts.rooms
    const wanted = events.flatMap((event) => bundledFor(event).map((relType) => ({ event, relType })))
    const exist = wanted.length === 0 ? [] : await relations.exist(wanted.map(pairOf))
    const existing = wanted.filter((_, index) => exist[index] === true)
    const query = { direction: 'b', from: undefined, limit: limits.implementation.relationsAggregatedMax } as const
    return Promise.all(
      existing.map(async ({ event, relType }) => {
        const entries = await relations.ofType(event.roomId, event.eventId, relType, query)
        // Others' edits count for nothing, so they are not even read.
        const able =
          relType !== 'm.replace' ? entries : entries.filter(({ sender, type }) => sender === event.pdu.sender && type === event.pdu.type)
        return { event, relType, entries: able }
      }),
    )
  }

  async #visible(eventIds: readonly EventId[], userId: UserId): Promise<Map<EventId, StoredEvent>> {
    const events = (await this.#parts.rooms.events(eventIds)).filter((event) => event !== undefined)
    const visible = await this.#parts.visibility.filter(events, userId)
    return new Map(visible.map((event) => [event.eventId, event]))
  }
}

/** The latest of the edits. @see https://spec.matrix.org/latest/client-server-api/#server-side-aggregation-of-mreplace-relationships */
function latestEdit(edits: readonly StoredEvent[]): StoredEvent | undefined {
  return edits.reduce<StoredEvent | undefined>((latest, edit) => {
    if (latest === undefined) return edit
    const later = edit.pdu.origin_server_ts - latest.pdu.origin_server_ts
    return later > 0 || (later === 0 && edit.eventId > latest.eventId) ? edit : latest
  }, undefined)
}

function pairOf({ event, relType }: Wanted) {
  return [event.roomId, event.eventId, relType] as const
}

/**
 * What may be bundled with an event: nothing with state, and nothing with what is itself an edit or a reaction. Reactions are not
 * aggregated by servers. Threads do not nest, and what was redacted shows none of its edits.
 */
function bundledFor({ pdu, redactedBy }: StoredEvent): Bundled[] {
  const own = relationOf(pdu)?.relType
  if (pdu.state_key !== undefined || own === 'm.replace' || own === 'm.annotation') return []
  return [
    ...(redactedBy === undefined ? (['m.replace'] as const) : []),
    ...(own === 'm.thread' ? [] : (['m.thread'] as const)),
    'm.reference',
  ]
}

/** Whether an event is what the index says: a redaction takes its relation, and edits must be valid. */
function isChild(child: StoredEvent, parent: StoredEvent, relType: Bundled): boolean {
  const relation = relationOf(child.pdu)
  if (child.redactedBy !== undefined || child.roomId !== parent.roomId) return false
  if (relation?.target !== parent.eventId || relation.relType !== relType) return false
  return relType !== 'm.replace' || isValidEdit(child, parent)
}

/** @see https://spec.matrix.org/latest/client-server-api/#validity-of-replacement-events */
function isValidEdit({ pdu }: StoredEvent, original: StoredEvent): boolean {
  if (pdu.sender !== original.pdu.sender || pdu.type !== original.pdu.type || pdu.state_key !== undefined) return false
  // What is encrypted holds its new content where only clients can look.
  return pdu.type === 'm.room.encrypted' || ownObject(pdu.content, 'm.new_content') !== undefined
}

/** @param found the latest first. */
function aggregate(event: StoredEvent, relType: Bundled, found: readonly StoredEvent[], userId: UserId): Aggregated {
  switch (relType) {
    case 'm.replace': {
      const edit = latestEdit(found)
      return edit === undefined ? {} : { edit }
    }
    case 'm.thread': {
      const [latest] = found
      const participated = event.pdu.sender === userId || found.some(({ pdu }) => pdu.sender === userId)
      return latest === undefined ? {} : { thread: { latest, count: found.length, participated } }
    }
    case 'm.reference':
      return { references: found.slice(0, limits.implementation.referencesBundledMax).map(({ eventId }) => eventId) }
  }
}
