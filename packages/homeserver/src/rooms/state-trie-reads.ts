import type { EventId, StateKey } from '@kith/matrix-protocol'
import {
  childAt,
  childrenOf,
  EMPTY_STATE,
  entriesOf,
  isBranch,
  KeyPath,
  type LeafNode,
  type NodeId,
  type StateIds,
  type StateRoot,
  type TrieNode,
  type TrieReader,
} from './state-trie.ts'

/** One entry in which two states differ; undefined where a state lacks it. */
export interface EntryDifference {
  readonly from: EventId | undefined
  readonly to: EventId | undefined
}

/** Single entries, each level of the trie in one read. Keys without an entry are not in the result. */
export async function lookUpEntries(reader: TrieReader, root: StateRoot, keys: readonly StateKey[]): Promise<Map<StateKey, EventId>> {
  const found = new Map<StateKey, EventId>()
  let waiting = keys.map((key) => ({ id: root, path: new KeyPath(key) }))
  for (let level = 0; waiting.length > 0; level++) {
    const nodes = await readNodes(
      reader,
      waiting.map(({ id }) => id),
    )
    const next: typeof waiting = []
    for (const { id, path } of waiting) {
      const node = nodes.get(id)
      if (node === undefined) continue
      if (isBranch(node)) {
        const child = childAt(node, path.slotAt(level))
        if (child !== undefined) next.push({ id: child, path })
      } else {
        const eventId = leafEntry(node, path.key)
        if (eventId !== undefined) found.set(path.key, eventId)
      }
    }
    waiting = next
  }
  return found
}

export async function lookUpEntry(reader: TrieReader, root: StateRoot, key: StateKey): Promise<EventId | undefined> {
  return (await lookUpEntries(reader, root, [key])).get(key)
}

/** The whole state. */
export async function readWhole(reader: TrieReader, root: StateRoot): Promise<Map<StateKey, EventId>> {
  return collect(reader, [root])
}

/**
 * The entries in which two states differ. Looks only into parts that differ, so it costs what the difference costs and not what the
 * states hold.
 */
export async function differenceOf(reader: TrieReader, from: StateRoot, to: StateRoot): Promise<Map<StateKey, EntryDifference>> {
  const difference = new Map<StateKey, EntryDifference>()
  let waiting: Pair[] = from === to ? [] : [{ from, to }]
  while (waiting.length > 0) {
    const nodes = await readNodes(
      reader,
      waiting.flatMap((pair) => [pair.from ?? EMPTY_STATE, pair.to ?? EMPTY_STATE]),
    )
    const next: Pair[] = []
    const mixed: Promise<void>[] = []
    for (const pair of waiting) {
      const left = nodes.get(pair.from ?? EMPTY_STATE)
      const right = nodes.get(pair.to ?? EMPTY_STATE)
      if (left === undefined || right === undefined) continue
      if (isBranch(left) && isBranch(right)) next.push(...differingChildren(left, right))
      else mixed.push(compareEntries(reader, left, right, difference))
    }
    await Promise.all(mixed)
    waiting = next
  }
  return difference
}

interface Pair {
  readonly from: NodeId | undefined
  readonly to: NodeId | undefined
}

function* differingChildren(left: Extract<TrieNode, { slots: number }>, right: Extract<TrieNode, { slots: number }>): Generator<Pair> {
  const rights = new Map(childrenOf(right))
  for (const [slot, from] of childrenOf(left)) {
    const to = rights.get(slot)
    rights.delete(slot)
    if (from !== to) yield { from, to }
  }
  for (const to of rights.values()) yield { from: undefined, to }
}

/** Where one of them is a leaf, it is small, and so is what they can share. */
async function compareEntries(
  reader: TrieReader,
  left: TrieNode,
  right: TrieNode,
  difference: Map<StateKey, EntryDifference>,
): Promise<void> {
  const [from, to] = await Promise.all([entriesBelow(reader, left), entriesBelow(reader, right)])
  for (const [key, eventId] of to) {
    const before = from.get(key)
    if (before !== eventId) difference.set(key, { from: before, to: eventId })
  }
  for (const [key, eventId] of from) if (!to.has(key)) difference.set(key, { from: eventId, to: undefined })
}

async function entriesBelow(reader: TrieReader, node: TrieNode): Promise<StateIds> {
  return isBranch(node) ? collect(reader, node.children) : new Map(entriesOf(node))
}

async function collect(reader: TrieReader, ids: readonly NodeId[]): Promise<Map<StateKey, EventId>> {
  const entries = new Map<StateKey, EventId>()
  for (let level = ids; level.length > 0;) {
    const next: NodeId[] = []
    for (const node of await reader.nodes(level)) {
      if (isBranch(node)) next.push(...node.children)
      else for (const [key, eventId] of entriesOf(node)) entries.set(key, eventId)
    }
    level = next
  }
  return entries
}

async function readNodes(reader: TrieReader, ids: readonly NodeId[]): Promise<Map<NodeId, TrieNode>> {
  const distinct = [...new Set(ids)]
  const nodes = await reader.nodes(distinct)
  return new Map(nodes.map((node, index) => [distinct[index] ?? EMPTY_STATE, node]))
}

function leafEntry(leaf: LeafNode, key: StateKey): EventId | undefined {
  for (const [candidate, eventId] of entriesOf(leaf)) if (candidate === key) return eventId
  return undefined
}
