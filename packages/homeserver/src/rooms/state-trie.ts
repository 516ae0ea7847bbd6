import { encodeBase64Url, encodeUtf8, type EventId, sha256, type StateKey } from '@kith/matrix-protocol'

/**
 * The state of a room as a persistent hash trie: nodes never change, and a node's id is the hash of what it holds. A state is the id of
 * its root, so equal states have equal ids however they came about, and two states share every part in which they agree.
 */
declare const brand: unique symbol
export type NodeId = string & { readonly [brand]: 'NodeId' }
export type StateRoot = NodeId

export type StateIds = ReadonlyMap<StateKey, EventId>
/** `undefined` removes the entry. */
export type StateDelta = ReadonlyMap<StateKey, EventId | undefined>

/** Entries as pairs in one list, ordered by key. */
export interface LeafNode {
  readonly entries: readonly string[]
}

export interface BranchNode {
  /** How many entries lie below. */
  readonly size: number
  /** One bit for each slot that has a child. */
  readonly slots: number
  /** By slot, without gaps. */
  readonly children: readonly NodeId[]
}

export type TrieNode = LeafNode | BranchNode

export interface TrieReader {
  /** One node for each id, in their order. @throws Error when one is not stored. */
  nodes(ids: readonly NodeId[]): Promise<readonly TrieNode[]>
}

const BITS_PER_LEVEL = 5
const SLOTS = 1 << BITS_PER_LEVEL
/**
 * A part of a state with no more entries is one leaf, so a small room is one row. The form depends on the entries alone, never on the
 * order of changes.
 */
export const LEAF_ENTRIES_MAX = 24
/** Longer than what two states of an attacker's making could be made to share. */
const NODE_ID_BYTES = 18

export const EMPTY_LEAF: LeafNode = { entries: [] }
export const EMPTY_STATE: StateRoot = idOf(EMPTY_LEAF)

export function isBranch(node: TrieNode): node is BranchNode {
  return 'children' in node
}

function sizeOf(node: TrieNode): number {
  return isBranch(node) ? node.size : node.entries.length / 2
}

export function* entriesOf(leaf: LeafNode): Generator<readonly [StateKey, EventId]> {
  for (let index = 0; index < leaf.entries.length; index += 2) yield [leaf.entries[index] as StateKey, leaf.entries[index + 1] as EventId]
}

export function childAt(branch: BranchNode, slot: number): NodeId | undefined {
  const bit = 1 << slot
  return (branch.slots & bit) === 0 ? undefined : branch.children[bitCount(branch.slots & (bit - 1))]
}

/** The slots that have children, with them. */
export function* childrenOf(branch: BranchNode): Generator<readonly [slot: number, NodeId]> {
  let index = 0
  for (let slot = 0; slot < SLOTS; slot++) {
    const child = (branch.slots & (1 << slot)) === 0 ? undefined : branch.children[index++]
    if (child !== undefined) yield [slot, child]
  }
}

/** Which slots lead to a key. The hash is one that nobody can aim at, so that nobody can make a trie deep. Small states need none. */
export class KeyPath {
  readonly key: StateKey
  #hash: Uint8Array | undefined

  constructor(key: StateKey) {
    this.key = key
  }

  slotAt(level: number): number {
    this.#hash ??= sha256(encodeUtf8(this.key))
    const bit = level * BITS_PER_LEVEL
    const byte = bit >> 3
    const pair = ((this.#hash[byte] ?? 0) << 8) | (this.#hash[byte + 1] ?? 0)
    return (pair >> (16 - BITS_PER_LEVEL - (bit & 7))) & (SLOTS - 1)
  }
}

export interface TrieChange {
  readonly root: StateRoot
  /** Nodes that the root needs and that were not there before, perhaps among some that were. */
  readonly created: ReadonlyMap<NodeId, TrieNode>
}

/** The state that differs from another by these entries. Costs what the changed paths cost, whatever the size of the state. */
export async function changeTrie(reader: TrieReader, root: StateRoot, changes: StateDelta): Promise<TrieChange> {
  const change = new Change(reader)
  const pathed = Array.from(changes, ([key, eventId]) => ({ path: new KeyPath(key), eventId }))
  const result = await change.apply(root, 0, pathed)
  return { root: result.id, created: change.created }
}

interface KeyChange {
  readonly path: KeyPath
  readonly eventId: EventId | undefined
}

interface Built {
  readonly id: NodeId
  readonly size: number
  /** Of what stood there before. */
  readonly sizeBefore: number
}

class Change {
  readonly created = new Map<NodeId, TrieNode>()
  readonly #reader: TrieReader

  constructor(reader: TrieReader) {
    this.#reader = reader
  }

  async apply(id: NodeId | undefined, level: number, changes: readonly KeyChange[]): Promise<Built> {
    const node = id === undefined ? EMPTY_LEAF : await this.#node(id)
    const sizeBefore = sizeOf(node)
    if (!isBranch(node)) {
      const entries = new Map(entriesOf(node))
      for (const { path, eventId } of changes) {
        if (eventId === undefined) entries.delete(path.key)
        else entries.set(path.key, eventId)
      }
      const paths = new Map(changes.map(({ path }) => [path.key, path]))
      return { id: this.#build(entries, level, paths), size: entries.size, sizeBefore }
    }
    const slots = Map.groupBy(changes, ({ path }) => path.slotAt(level))
    const changed = await Promise.all(
      Array.from(slots, async ([slot, group]) => [slot, await this.apply(childAt(node, slot), level + 1, group)] as const),
    )
    const children = new Map(childrenOf(node))
    let size = sizeBefore
    for (const [slot, child] of changed) {
      size += child.size - child.sizeBefore
      if (child.size === 0) children.delete(slot)
      else children.set(slot, child.id)
    }
    if (size > LEAF_ENTRIES_MAX) return { id: this.#put(branchOf(size, children)), size, sizeBefore }
    return { id: this.#build(await this.#collect(children.values()), level, new Map()), size, sizeBefore }
  }

  /** The canonical form of these entries at this level. */
  #build(entries: ReadonlyMap<StateKey, EventId>, level: number, paths: ReadonlyMap<StateKey, KeyPath>): NodeId {
    if (entries.size <= LEAF_ENTRIES_MAX) return this.#put(leafOf(entries))
    const known = new Map(Array.from(entries.keys(), (key) => [key, paths.get(key) ?? new KeyPath(key)]))
    const groups = Map.groupBy(entries, ([key]) => known.get(key)?.slotAt(level) ?? 0)
    const children = new Map(Array.from(groups, ([slot, group]) => [slot, this.#build(new Map(group), level + 1, known)]))
    return this.#put(branchOf(entries.size, children))
  }

  async #collect(ids: Iterable<NodeId>): Promise<Map<StateKey, EventId>> {
    const entries = new Map<StateKey, EventId>()
    for (const id of ids) {
      const node = await this.#node(id)
      const below = isBranch(node) ? await this.#collect(node.children) : entriesOf(node)
      for (const [key, eventId] of below) entries.set(key, eventId)
    }
    return entries
  }

  async #node(id: NodeId): Promise<TrieNode> {
    const created = this.created.get(id)
    if (created !== undefined) return created
    const [node] = await this.#reader.nodes([id])
    if (node === undefined) throw new Error(`the state node ${id} is not stored`)
    return node
  }

  #put(node: TrieNode): NodeId {
    const id = idOf(node)
    this.created.set(id, node)
    return id
  }
}

function leafOf(entries: ReadonlyMap<StateKey, EventId>): LeafNode {
  const ordered = [...entries].sort(([left], [right]) => (left < right ? -1 : 1))
  return { entries: ordered.flat() }
}

function branchOf(size: number, children: ReadonlyMap<number, NodeId>): BranchNode {
  const ordered = [...children].sort(([left], [right]) => left - right)
  const slots = ordered.reduce((bits, [slot]) => (bits | (1 << slot)) >>> 0, 0)
  return { size, slots, children: ordered.map(([, id]) => id) }
}

function idOf(node: TrieNode): NodeId {
  const text = isBranch(node) ? JSON.stringify([node.size, node.slots, node.children]) : JSON.stringify(node.entries)
  return encodeBase64Url(sha256(encodeUtf8(text)).subarray(0, NODE_ID_BYTES)) as NodeId
}

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits >>> 0; left !== 0; left = (left & (left - 1)) >>> 0) count++
  return count
}
