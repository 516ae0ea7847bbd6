import { type EventId, ownObject, ownString, parseEventId, type Pdu, type RoomId, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StorageReader, WriteBatch } from '../ports/index.ts'
import { historyPlaceOf } from './history-place.ts'
import type { StoredEvent } from './stored-event.ts'
import { roomsTables } from './tables.ts'

/** What an event says of itself: how it relates to another one of its room. */
export interface Relation {
  readonly target: EventId
  readonly relType: string
}

/** A place in the room's history, which is the order of an event's relations, too. */
export interface HistoryPlace {
  readonly depth: number
  readonly place: number
}

/** One relation, as far as it can be told without reading the event. */
export interface RelationEntry extends HistoryPlace {
  readonly eventId: EventId
  readonly sender: UserId
  readonly type: string
}

export interface ThreadReply extends HistoryPlace {
  readonly eventId: EventId
  readonly root: EventId
}

export interface RelationsQuery {
  readonly direction: 'b' | 'f'
  /** Backwards: only what stands before this place; forwards: only from there on. Like history tokens. */
  readonly from: HistoryPlace | undefined
  readonly limit: number
}

/** @see https://spec.matrix.org/latest/client-server-api/#forming-relationships-between-events */
export function relationOf(pdu: Pick<Pdu, 'content'>): Relation | undefined {
  const relation = ownObject(pdu.content, 'm.relates_to')
  const target = parseEventId(ownString(relation, 'event_id'))
  const relType = ownString(relation, 'rel_type')
  if (target === undefined || relType === undefined || relType.length > limits.implementation.relationTypeCharactersMax) return undefined
  return { target, relType }
}

/**
 * The rows of an event that is given its place in the room's history. Written with the event, and only for events that relate to others:
 * the aggregations never miss one, nor need to catch up.
 */
export function putRelation(batch: WriteBatch, { eventId, roomId, pdu }: StoredEvent): void {
  const relation = relationOf(pdu)
  if (relation === undefined) return
  const { target, relType } = relation
  const place = historyPlaceOf(eventId)
  batch.put(roomsTables.relations, [roomId, target, relType, pdu.depth, place, eventId], { sender: pdu.sender, type: pdu.type })
  batch.put(roomsTables.relationTypes, [roomId, target, relType], true)
  if (relType === 'm.thread') batch.put(roomsTables.threadReplies, [roomId, pdu.depth, place, eventId], target)
}

/** @param event as it was when it had its place, and its content. */
export function deleteRelation(batch: WriteBatch, { eventId, roomId, pdu }: StoredEvent): void {
  const relation = relationOf(pdu)
  if (relation === undefined) return
  const place = historyPlaceOf(eventId)
  batch.delete(roomsTables.relations, [roomId, relation.target, relation.relType, pdu.depth, place, eventId])
  if (relation.relType === 'm.thread') batch.delete(roomsTables.threadReplies, [roomId, pdu.depth, place, eventId])
}

/** Reads what relates to what. That somebody may see it, or that it is valid for its type, is for the reader to judge. */
export class RelationReader {
  readonly #storage: StorageReader

  constructor(storage: StorageReader) {
    this.#storage = storage
  }

  /** Whether something once related to an event in that way: one batched read for many. */
  async exist(pairs: readonly (readonly [RoomId, target: EventId, relType: string])[]): Promise<boolean[]> {
    return (await this.#storage.getMany(roomsTables.relationTypes, pairs)).map((found) => found !== undefined)
  }

  /** The ways in which events relate to one, a bounded number of them. */
  async typesOf(roomId: RoomId, target: EventId): Promise<string[]> {
    const limit = limits.implementation.relationTypesPerEventMax
    const rows = await this.#storage.range(roomsTables.relationTypes, { prefix: [roomId, target], limit })
    return rows.map(({ key }) => key[2])
  }

  /** What relates to an event in one way, in the order of the room's history. */
  async ofType(roomId: RoomId, target: EventId, relType: string, query: RelationsQuery): Promise<RelationEntry[]> {
    const prefix = [roomId, target, relType] as const
    const rows = await this.#storage.range(roomsTables.relations, { prefix, ...boundOf(prefix, query), limit: query.limit })
    return rows.map(({ key: [, , , depth, place, eventId], value }) => ({ depth, place, eventId, ...value }))
  }

  /** What stands in any thread of the room. */
  async threadReplies(roomId: RoomId, query: RelationsQuery): Promise<ThreadReply[]> {
    const rows = await this.#storage.range(roomsTables.threadReplies, {
      prefix: [roomId],
      ...boundOf([roomId], query),
      limit: query.limit,
    })
    return rows.map(({ key: [, depth, place, eventId], value }) => ({ depth, place, eventId, root: value }))
  }
}

/** A bound of fewer parts than the keys have lies just before all that begin with it. */
function boundOf(prefix: readonly string[], { direction, from }: RelationsQuery) {
  if (direction === 'b') return { reverse: true, ...(from === undefined ? {} : { before: [...prefix, from.depth, from.place] }) }
  if (from === undefined) return {}
  return from.place === 0 ? { after: [...prefix, from.depth] } : { after: [...prefix, from.depth, from.place - 1, '\uffff'] }
}
