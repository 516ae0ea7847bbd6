import { type RoomId, roomVersion, type RoomVersion } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Entry, Key, StorageReader, StoredValue, Table } from '../ports/index.ts'
import type { EventStore } from './event-store.ts'
import { nothingWaits, Room } from './room.ts'
import { IndexedState } from './room-state.ts'
import type { StateStore } from './state-store.ts'
import type { StateIds } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import { type RoomRow, roomsTables } from './tables.ts'

const PAGE_MAX = 500

/** All rooms that are stored, each with its current state. */
export async function openRooms(storage: StorageReader, store: EventStore, states: StateStore): Promise<Room[]> {
  const rooms: Room[] = []
  const rows: (readonly [RoomId, RoomVersion, RoomRow])[] = []
  for await (const { key, value: row } of readAll(storage, roomsTables.rooms, [])) {
    const version = roomVersion(row.version)
    // Rooms of versions that a newer Kith made stay untouched.
    if (version !== undefined) rows.push([key[0], version, row])
  }
  const { roomsOpenedAtOnceMax } = limits.implementation
  for (let start = 0; start < rows.length; start += roomsOpenedAtOnceMax) {
    const group = rows.slice(start, start + roomsOpenedAtOnceMax)
    rooms.push(...(await Promise.all(group.map(async (row) => openRoom({ storage, store, states }, ...row)))))
  }
  return rooms
}

interface Stores {
  readonly storage: StorageReader
  readonly store: EventStore
  readonly states: StateStore
}

async function openRoom({ storage, store, states }: Stores, roomId: RoomId, version: RoomVersion, row: RoomRow): Promise<Room> {
  const state = await loadState(store, await states.of(roomId).whole(row.state))
  const waiting = nothingWaits()
  for await (const { key } of readAll(storage, roomsTables.pendingRedactions, [roomId])) {
    const [, target, redaction] = key
    waiting.pendingRedactions.getOrInsertComputed(target, () => new Set()).add(redaction)
  }
  const room = new Room(roomId, version, row, state, waiting)
  for await (const { key } of readAll(storage, roomsTables.gaps, [roomId])) room.rememberGap(key[1], key[2])
  return room
}

/** @throws Error when an event of the state is not stored. */
export async function loadState(store: EventStore, ids: StateIds): Promise<IndexedState> {
  const entries = [...ids]
  const events: StoredEvent[] = []
  for (let start = 0; start < entries.length; start += PAGE_MAX) {
    const page = entries.slice(start, start + PAGE_MAX).map(([, eventId]) => eventId)
    for (const [index, event] of (await store.getMany(page)).entries()) {
      if (event === undefined) throw new Error(`a state event is not stored: ${page[index] ?? ''}`)
      events.push(event)
    }
  }
  const state = new IndexedState()
  for (const [index, [key]] of entries.entries()) {
    const event = events[index]
    if (event !== undefined) state.set(key, event)
  }
  return state
}

/** Everything below a prefix, page by page. */
async function* readAll<K extends Key, V extends StoredValue>(
  storage: StorageReader,
  table: Table<K, V>,
  prefix: Key,
): AsyncGenerator<Entry<K, V>> {
  let page = await storage.range(table, { prefix, limit: PAGE_MAX })
  while (page.length > 0) {
    yield* page
    const last = page.at(-1)
    page = last === undefined || page.length < PAGE_MAX ? [] : await storage.range(table, { prefix, after: last.key, limit: PAGE_MAX })
  }
}
