import { type EventId, type RoomId, roomVersion, type RoomVersion } from '@kith/matrix-protocol'
import type { Entry, Key, StorageReader, StoredValue, Table } from '../ports/index.ts'
import type { EventStore } from './event-store.ts'
import { Room } from './room.ts'
import { IndexedState } from './room-state.ts'
import { readWhole, type SnapshotStore, type StateIds } from './snapshots.ts'
import type { StoredEvent } from './stored-event.ts'
import { type RoomRow, roomsTables } from './tables.ts'

const PAGE_MAX = 500

/** All rooms that are stored, each with its current state. */
export async function openRooms(storage: StorageReader, store: EventStore, snapshots: SnapshotStore): Promise<Map<RoomId, Room>> {
  const rooms = new Map<RoomId, Room>()
  for await (const { key, value: row } of readAll(storage, roomsTables.rooms, [])) {
    const [roomId] = key
    const version = roomVersion(row.version)
    // Rooms of versions that a newer Kith made stay untouched.
    if (version !== undefined) rooms.set(roomId, await openRoom({ storage, store, snapshots }, roomId, version, row))
  }
  return rooms
}

interface Stores {
  readonly storage: StorageReader
  readonly store: EventStore
  readonly snapshots: SnapshotStore
}

async function openRoom({ storage, store, snapshots }: Stores, roomId: RoomId, version: RoomVersion, row: RoomRow): Promise<Room> {
  const reader = { get: async (id: number) => snapshots.get(roomId, id) }
  const state = await loadState(store, await readWhole(reader, row.snapshot))
  const pending = new Map<EventId, Set<EventId>>()
  for await (const { key } of readAll(storage, roomsTables.pendingRedactions, [roomId])) {
    const [, target, redaction] = key
    pending.getOrInsertComputed(target, () => new Set()).add(redaction)
  }
  return new Room(roomId, version, row, state, pending)
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
