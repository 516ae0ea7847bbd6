import { type EventId, type RoomId, splitStateKey, type StateKey, stateKeyOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StorageReader } from '../ports/index.ts'
import { BoundedCache } from './bounded-cache.ts'
import { roomsTables, type SnapshotRow } from './tables.ts'

export type StateIds = ReadonlyMap<StateKey, EventId>
/** `undefined` removes the entry. */
export type StateDelta = ReadonlyMap<StateKey, EventId | undefined>

/** A snapshot as a difference to its base, or whole when it has none. */
export interface Snapshot {
  readonly base: number | undefined
  readonly anchor: number
  readonly stepsToAnchor: number
  readonly anchorsToWhole: number
  readonly changes: StateDelta
}

const { snapshotChainMax, snapshotCacheEntriesMax } = limits.implementation

/**
 * State of rooms as chains of differences. Every snapshotChainMax-th difference is taken to the last anchor instead of to its
 * predecessor and becomes the next anchor, and every snapshotChainMax-th anchor is whole, so a chain never has more than twice that
 * many links, while a change of one entry in a large room writes little.
 */
export class SnapshotStore {
  readonly #storage: StorageReader
  readonly #cache = new BoundedCache<string, Snapshot>(snapshotCacheEntriesMax, (snapshot) => snapshot.changes.size + 1)

  constructor(storage: StorageReader) {
    this.#storage = storage
  }

  async get(roomId: RoomId, id: number): Promise<Snapshot> {
    const name = `${id} ${roomId}`
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const row = await this.#storage.get(roomsTables.snapshots, [roomId, id])
    if (row === undefined) throw new Error(`room ${roomId} lacks its snapshot ${id}`)
    const snapshot = fromRow(row)
    this.#cache.set(name, snapshot)
    return snapshot
  }

  /** After the commit that stored them. */
  remember(roomId: RoomId, snapshots: Iterable<readonly [number, Snapshot]>): void {
    for (const [id, snapshot] of snapshots) this.#cache.set(`${id} ${roomId}`, snapshot)
  }
}

/** The snapshots of one room, together with those of a commit under way. */
export interface SnapshotReader {
  get(id: number): Promise<Snapshot>
}

/** One entry, without putting the whole state together. */
export async function lookUp(reader: SnapshotReader, id: number, key: StateKey): Promise<EventId | undefined> {
  for (let next: number | undefined = id; next !== undefined;) {
    const snapshot: Snapshot = await reader.get(next)
    if (snapshot.changes.has(key)) return snapshot.changes.get(key)
    next = snapshot.base
  }
  return undefined
}

/** The whole state. */
export async function readWhole(reader: SnapshotReader, id: number): Promise<Map<StateKey, EventId>> {
  return applyDelta(new Map(), await mergeChain(reader, id, undefined))
}

/** The snapshot that changes `parent`. */
export async function extend(reader: SnapshotReader, parentId: number, id: number, changes: StateDelta): Promise<Snapshot> {
  const parent = await reader.get(parentId)
  const stepsToAnchor = parent.stepsToAnchor + 1
  if (stepsToAnchor < snapshotChainMax) return { ...parent, base: parentId, stepsToAnchor, changes }
  const anchor = await reader.get(parent.anchor)
  if (anchor.anchorsToWhole + 1 >= snapshotChainMax) return wholeSnapshot(id, applyDelta(await readWhole(reader, parentId), changes))
  const merged = new Map([...(await mergeChain(reader, parentId, parent.anchor)), ...changes])
  return { base: parent.anchor, anchor: id, stepsToAnchor: 0, anchorsToWhole: anchor.anchorsToWhole + 1, changes: merged }
}

export function wholeSnapshot(id: number, state: StateIds): Snapshot {
  return { base: undefined, anchor: id, stepsToAnchor: 0, anchorsToWhole: 0, changes: new Map(state) }
}

/** What must change in `from` to become `to`. */
export function difference(from: StateIds, to: StateIds): StateDelta {
  const delta = new Map<StateKey, EventId | undefined>()
  for (const [key, eventId] of to) if (from.get(key) !== eventId) delta.set(key, eventId)
  for (const key of from.keys()) if (!to.has(key)) delta.set(key, undefined)
  return delta
}

export function toRow(snapshot: Snapshot): SnapshotRow {
  const { base, anchor, stepsToAnchor, anchorsToWhole } = snapshot
  const changes = Array.from(snapshot.changes, ([key, eventId]) => {
    const { type, stateKey } = splitStateKey(key)
    return eventId === undefined ? ([type, stateKey] as const) : ([type, stateKey, eventId] as const)
  })
  const row = { anchor, stepsToAnchor, anchorsToWhole, changes }
  return base === undefined ? row : { ...row, base }
}

function fromRow(row: SnapshotRow): Snapshot {
  const changes = new Map(row.changes.map(([type, stateKey, eventId]) => [stateKeyOf(type, stateKey), eventId]))
  return { base: row.base, anchor: row.anchor, stepsToAnchor: row.stepsToAnchor, anchorsToWhole: row.anchorsToWhole, changes }
}

/** All changes from `end` (exclusive; the empty state when undefined) up to and with `id`. */
async function mergeChain(reader: SnapshotReader, id: number, end: number | undefined): Promise<Map<StateKey, EventId | undefined>> {
  const merged = new Map<StateKey, EventId | undefined>()
  for (let next: number | undefined = id; next !== end && next !== undefined;) {
    const snapshot: Snapshot = await reader.get(next)
    for (const [key, eventId] of snapshot.changes) if (!merged.has(key)) merged.set(key, eventId)
    next = snapshot.base
  }
  return merged
}

function applyDelta(state: Map<StateKey, EventId>, delta: StateDelta): Map<StateKey, EventId> {
  for (const [key, eventId] of delta) {
    if (eventId === undefined) state.delete(key)
    else state.set(key, eventId)
  }
  return state
}
