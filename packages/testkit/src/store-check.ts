import type { StorageReader, StoredValue, Table } from '@kith/homeserver/ports'
import {
  authEventIdsOf,
  encodeBase64Url,
  encodeUtf8,
  type Pdu,
  prevEventIdsOf,
  sha256,
  splitStateKey,
  type StateKey,
} from '@kith/matrix-protocol'

interface EventRow {
  readonly eventId: string
  readonly roomId: string
  readonly pdu: Pdu
  readonly status: 'accepted' | 'soft-failed' | 'rejected' | 'outlier'
  readonly position?: number
  readonly stateBefore?: string
  readonly stateAfter?: string
}

interface RoomRow {
  readonly extremities: readonly string[]
  readonly state: string
  readonly partial?: object
}

type NodeRow =
  | { readonly entries: readonly string[] }
  | { readonly size: number; readonly slots: number; readonly children: readonly string[] }

type StreamRow = { readonly kind: string; readonly roomId?: string; readonly eventId?: string }

interface OutboxRow {
  readonly item: { readonly kind: string; readonly eventId?: string }
}

// The tables by name, because they are no part of what the homeserver exports; a row of another shape fails every check.
const tables = {
  rooms: { name: 'rooms.rooms' } as Table<readonly [string], RoomRow>,
  events: { name: 'rooms.events' } as Table<readonly [string], EventRow>,
  stateNodes: { name: 'rooms.state-nodes' } as Table<readonly [string, string], NodeRow>,
  history: { name: 'rooms.history' } as Table<readonly [string, number, number, string], { eventId: string; position?: number }>,
  arrivals: { name: 'rooms.arrivals' } as Table<readonly [string, number], { eventId?: string; state: string }>,
  relations: { name: 'rooms.relations' } as Table<
    readonly [string, string, string, number, number, string],
    { sender: string; type: string }
  >,
  relationTypes: { name: 'rooms.relation-types' } as Table<readonly [string, string, string], true>,
  threadReplies: { name: 'rooms.thread-replies' } as Table<readonly [string, number, number, string], string>,
  stream: { name: 'timeline.stream' } as Table<readonly [number], StreamRow>,
  outbox: { name: 'timeline.outbox' } as Table<readonly [string, number], OutboxRow>,
  outboxByEvent: { name: 'timeline.outbox-by-event' } as Table<readonly [string, string], number>,
} as const

const PAGE = 5_000
const NODE_ID_BYTES = 18
/** The state before a room's create event, which is not stored. */
const EMPTY_STATE = nodeIdOf({ entries: [] })

export interface StoreFindings {
  /** One sentence for each thing that the store lacks or contradicts. Empty: it is whole. */
  readonly faults: readonly string[]
  readonly roomIds: ReadonlySet<string>
  /** Accepted events of all rooms, by id, with their type. */
  readonly accepted: ReadonlyMap<string, string>
}

/**
 * Reads everything that a homeserver has stored of its rooms and compares it with itself: what one row names, the others must hold.
 * Nobody may write meanwhile.
 */
export async function checkStore(storage: StorageReader): Promise<StoreFindings> {
  const [rooms, events] = await Promise.all([readAll(storage, tables.rooms), readAll(storage, tables.events)])
  const check = new StoreCheck(
    new Map(rooms.map(({ key, value }) => [key[0], value])),
    new Map(events.map(({ key, value }) => [key[0], value])),
    new Map((await readAll(storage, tables.stateNodes)).map(({ key, value }) => [nodeKey(key[0], key[1]), value])),
  )
  check.checkEvents()
  check.checkRooms()
  check.checkHistory(await readAll(storage, tables.history))
  check.checkRelations(
    await readAll(storage, tables.relations),
    await readAll(storage, tables.relationTypes),
    await readAll(storage, tables.threadReplies),
  )
  check.checkArrivals(await readAll(storage, tables.arrivals), await readAll(storage, tables.stream))
  check.checkOutbox(await readAll(storage, tables.outbox), await readAll(storage, tables.outboxByEvent))
  return check.findings()
}

async function readAll<K extends readonly (string | number)[], V extends StoredValue>(storage: StorageReader, table: Table<K, V>) {
  const rows: { readonly key: K; readonly value: V }[] = []
  for (;;) {
    const after = rows.at(-1)?.key
    const page = await storage.range(table, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    rows.push(...page)
    if (page.length < PAGE) return rows
  }
}

type Rows<T> = T extends Table<infer K, infer V> ? readonly { readonly key: K; readonly value: V }[] : never

class StoreCheck {
  readonly #rooms: ReadonlyMap<string, RoomRow>
  readonly #events: ReadonlyMap<string, EventRow>
  readonly #nodes: ReadonlyMap<string, NodeRow>
  readonly #faults: string[] = []
  readonly #readNodes = new Set<string>()

  constructor(rooms: ReadonlyMap<string, RoomRow>, events: ReadonlyMap<string, EventRow>, nodes: ReadonlyMap<string, NodeRow>) {
    this.#rooms = rooms
    this.#events = events
    this.#nodes = nodes
  }

  findings(): StoreFindings {
    const accepted = [...this.#events.values()].filter(({ status }) => status === 'accepted')
    return {
      faults: this.#faults,
      roomIds: new Set(this.#rooms.keys()),
      accepted: new Map(accepted.map(({ eventId, pdu }) => [eventId, pdu.type])),
    }
  }

  checkEvents(): void {
    for (const [key, event] of this.#events) {
      const { eventId, roomId, status, pdu } = event
      if (key !== eventId) this.#fault(`the row ${key} holds the event ${eventId}`)
      if (status === 'outlier') continue
      if (!this.#rooms.has(roomId)) this.#fault(`${status} event ${eventId} belongs to ${roomId}, which is not here`)
      for (const state of [event.stateBefore, event.stateAfter])
        if (state !== undefined) this.#readState(roomId, state, `state at ${eventId}`)
      if (status === 'accepted')
        for (const cited of authEventIdsOf(pdu)) if (!this.#events.has(cited)) this.#fault(`${eventId} cites ${cited}, which is not here`)
    }
  }

  checkRooms(): void {
    const followed = new Set<string>()
    for (const { status, pdu } of this.#events.values()) if (status === 'accepted') for (const id of prevEventIdsOf(pdu)) followed.add(id)
    for (const [roomId, { extremities, state }] of this.#rooms) {
      this.#readState(roomId, state, `current state of ${roomId}`)
      if (extremities.length === 0) this.#fault(`${roomId} has no extremities`)
      for (const eventId of extremities) {
        if (this.#events.get(eventId)?.roomId !== roomId) this.#fault(`extremity ${eventId} of ${roomId} is not here`)
        if (followed.has(eventId)) this.#fault(`extremity ${eventId} of ${roomId} is followed by an accepted event`)
      }
    }
  }

  checkHistory(rows: Rows<typeof tables.history>): void {
    const shown = new Set<string>()
    for (const { key, value } of rows) {
      const [roomId, depth, , eventId] = key
      const event = this.#events.get(eventId)
      if (event === undefined) this.#fault(`history of ${roomId} shows ${eventId}, which is not here`)
      else if (event.status !== 'accepted') this.#fault(`history of ${roomId} shows ${eventId}, which is ${event.status}`)
      else if (event.roomId !== roomId || event.pdu.depth !== depth) this.#fault(`history of ${roomId} shows ${eventId} at a wrong place`)
      if (value.eventId !== eventId || value.position !== event?.position) this.#fault(`history and event ${eventId} differ`)
      if (shown.has(eventId)) this.#fault(`history of ${roomId} shows ${eventId} twice`)
      shown.add(eventId)
    }
    for (const { eventId, status } of this.#events.values())
      if (status === 'accepted' && !shown.has(eventId)) this.#fault(`accepted event ${eventId} is not in the history`)
  }

  /** The index holds what accepted events say of themselves, and nothing else. */
  checkRelations(
    relations: Rows<typeof tables.relations>,
    types: Rows<typeof tables.relationTypes>,
    replies: Rows<typeof tables.threadReplies>,
  ): void {
    const indexed = new Set(relations.map(({ key }) => `${key[5]} ${key[2]} ${key[1]}`))
    const known = new Set(types.map(({ key }) => key.join(' ')))
    const threads = new Set(replies.map(({ key, value }) => `${key[3]} ${value}`))
    for (const { eventId, roomId, status, pdu } of this.#events.values()) {
      const relation = pdu.content['m.relates_to'] as { readonly rel_type?: unknown; readonly event_id?: unknown } | undefined
      const { rel_type: relType, event_id: target } = relation ?? {}
      if (status !== 'accepted' || typeof relType !== 'string' || typeof target !== 'string') continue
      if (!indexed.delete(`${eventId} ${relType} ${target}`)) this.#fault(`the index of relations lacks ${eventId}`)
      if (!known.has(`${roomId} ${target} ${relType}`)) this.#fault(`the index of relations does not say that ${target} has any ${relType}`)
      if (relType === 'm.thread' && !threads.delete(`${eventId} ${target}`)) this.#fault(`the list of threads lacks ${eventId}`)
    }
    for (const name of [...indexed, ...threads]) this.#fault(`the index of relations holds ${name}, which is not so`)
  }

  checkArrivals(arrivals: Rows<typeof tables.arrivals>, stream: Rows<typeof tables.stream>): void {
    const streamed = new Map(stream.map(({ key, value }) => [key[0], value]))
    const arrived = new Set<number>()
    for (const { key, value } of arrivals) {
      const [roomId, position] = key
      arrived.add(position)
      this.#readState(roomId, value.state, `state on arrival ${position}`)
      const row = streamed.get(position)
      if (row?.roomId !== roomId || row.eventId !== value.eventId)
        this.#fault(`arrival ${position} of ${roomId} is not what the stream says`)
    }
    for (const [position, { kind, eventId }] of streamed) {
      if (kind !== 'room-event' || eventId === undefined) continue
      const event = this.#events.get(eventId)
      if (event === undefined) this.#fault(`the stream names ${eventId} at ${position}, which is not here`)
      else if (event.status === 'accepted' && (event.position !== position || !arrived.has(position)))
        this.#fault(`the stream names ${eventId} at ${position}, where it did not arrive`)
    }
  }

  checkOutbox(outbox: Rows<typeof tables.outbox>, byEvent: Rows<typeof tables.outboxByEvent>): void {
    const waiting = new Map<string, number>()
    for (const { key, value } of outbox) {
      const { eventId } = value.item
      if (value.item.kind !== 'pdu' || eventId === undefined) continue
      if (!this.#events.has(eventId)) this.#fault(`the outbox names ${eventId}, which is not here`)
      waiting.set(`${eventId} ${key[0]}`, key[1])
    }
    for (const { key, value } of byEvent) {
      if (waiting.get(key.join(' ')) !== value) this.#fault(`the outbox does not hold ${key.join(' for ')}, as its index says`)
      waiting.delete(key.join(' '))
    }
    for (const name of waiting.keys()) this.#fault(`the index of the outbox lacks ${name}`)
  }

  /** Every part of a state is there, and its entries are state events of the room with that type and key. */
  #readState(roomId: string, root: string, what: string): void {
    const waiting = [root]
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const key = nodeKey(roomId, id)
      if (id === EMPTY_STATE || this.#readNodes.has(key)) continue
      this.#readNodes.add(key)
      const node = this.#nodes.get(key)
      if (node === undefined) this.#fault(`${what}: the node ${id} is not here`)
      else if (nodeIdOf(node) !== id) this.#fault(`${what}: the node ${id} holds something else`)
      else if ('children' in node) waiting.push(...node.children)
      else this.#checkEntries(roomId, node.entries, what)
    }
  }

  #checkEntries(roomId: string, entries: readonly string[], what: string): void {
    for (let index = 0; index < entries.length; index += 2) {
      const { type, stateKey } = splitStateKey(entries[index] as StateKey)
      const eventId = entries[index + 1] ?? ''
      const event = this.#events.get(eventId)
      if (event === undefined) this.#fault(`${what}: the event ${eventId} of ${type} is not here`)
      else if (event.roomId !== roomId || event.pdu.type !== type || event.pdu.state_key !== stateKey)
        this.#fault(`${what}: ${eventId} is not ${type} ${stateKey}`)
    }
  }

  #fault(sentence: string): void {
    this.#faults.push(sentence)
  }
}

/** Nodes are named by what they hold. */
function nodeIdOf(node: NodeRow): string {
  const text = 'children' in node ? JSON.stringify([node.size, node.slots, node.children]) : JSON.stringify(node.entries)
  return encodeBase64Url(sha256(encodeUtf8(text)).subarray(0, NODE_ID_BYTES))
}

function nodeKey(roomId: string, nodeId: string): string {
  return `${nodeId}${roomId}`
}
