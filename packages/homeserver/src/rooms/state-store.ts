import type { EventId, RoomId, StateKey } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StorageReader } from '../ports/index.ts'
import { BoundedCache } from './bounded-cache.ts'
import {
  changeTrie,
  EMPTY_LEAF,
  EMPTY_STATE,
  isBranch,
  type NodeId,
  type StateDelta,
  type StateRoot,
  type TrieNode,
  type TrieReader,
} from './state-trie.ts'
import { type EntryDifference, differenceOf, lookUpEntries, lookUpEntry, readWhole } from './state-trie-reads.ts'
import { roomsTables } from './tables.ts'

const { stateNodeCachePartsMax } = limits.implementation

/** Reads the state tries of all rooms, and keeps the nodes used last in memory. What is remembered here is committed. */
export class StateStore {
  readonly #storage: StorageReader
  readonly #cache = new BoundedCache<string, TrieNode>(stateNodeCachePartsMax, weightOf)

  constructor(storage: StorageReader) {
    this.#storage = storage
  }

  of(roomId: RoomId): StoredStates {
    return new StoredStates(async (ids) => this.#read(roomId, ids))
  }

  /** After the commit that stored them. */
  remember(roomId: RoomId, nodes: Iterable<readonly [NodeId, TrieNode]>): void {
    for (const [id, node] of nodes) this.#cache.set(`${id}${roomId}`, node)
  }

  async #read(roomId: RoomId, ids: readonly NodeId[]): Promise<readonly TrieNode[]> {
    const found = ids.map((id) => (id === EMPTY_STATE ? EMPTY_LEAF : this.#cache.get(`${id}${roomId}`)))
    const missing = ids.filter((_, index) => found[index] === undefined)
    if (missing.length === 0) return found.filter((node) => node !== undefined)
    const read = await this.#storage.getMany(
      roomsTables.stateNodes,
      missing.map((id) => [roomId, id]),
    )
    let next = 0
    return found.map((node, index) => {
      if (node !== undefined) return node
      const stored = read[next++]
      const id = ids[index]
      if (stored === undefined || id === undefined) throw new Error(`room ${roomId} lacks its state node ${id ?? ''}`)
      this.#cache.set(`${id}${roomId}`, stored)
      return stored
    })
  }
}

/** The states of one room. */
export class StoredStates implements TrieReader {
  readonly #read: (ids: readonly NodeId[]) => Promise<readonly TrieNode[]>

  constructor(read: (ids: readonly NodeId[]) => Promise<readonly TrieNode[]>) {
    this.#read = read
  }

  async nodes(ids: readonly NodeId[]): Promise<readonly TrieNode[]> {
    return this.#read(ids)
  }

  async lookUp(root: StateRoot, key: StateKey): Promise<EventId | undefined> {
    return lookUpEntry(this, root, key)
  }

  async lookUpMany(root: StateRoot, keys: readonly StateKey[]): Promise<Map<StateKey, EventId>> {
    return lookUpEntries(this, root, keys)
  }

  async whole(root: StateRoot): Promise<Map<StateKey, EventId>> {
    return readWhole(this, root)
  }

  async difference(from: StateRoot, to: StateRoot): Promise<Map<StateKey, EntryDifference>> {
    return differenceOf(this, from, to)
  }
}

/** The states of one room together with those that a commit under way adds. */
export class DraftStates extends StoredStates {
  readonly #created: Map<NodeId, TrieNode>

  constructor(stored: StoredStates) {
    const created = new Map<NodeId, TrieNode>()
    super(async (ids) => {
      const lacking = ids.filter((id) => !created.has(id))
      const read = lacking.length === 0 ? [] : await stored.nodes(lacking)
      let next = 0
      return ids.map((id) => {
        const node = created.get(id) ?? read[next++]
        if (node === undefined) throw new Error(`the state node ${id} is not stored`)
        return node
      })
    })
    this.#created = created
  }

  get created(): ReadonlyMap<NodeId, TrieNode> {
    return this.#created
  }

  async change(root: StateRoot, changes: StateDelta): Promise<StateRoot> {
    if (changes.size === 0) return root
    const result = await changeTrie(this, root, changes)
    if (result.root !== root) for (const [id, node] of result.created) if (id !== EMPTY_STATE) this.#created.set(id, node)
    return result.root
  }
}

function weightOf(node: TrieNode): number {
  return isBranch(node) ? node.children.length : node.entries.length
}
