import { type EventId, redact, type RoomId, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StoredEvent } from '../rooms/index.ts'
import type { Aggregated } from '../sync/client-events.ts'
import type { Aggregations, ConversationParts } from './aggregations.ts'
import { formatPlace, parsePlace } from './history-places.ts'

export interface ThreadsInput {
  readonly roomId: RoomId
  readonly userId: UserId
  /** Only threads that the user wrote in. */
  readonly participated: boolean
  readonly from: string | undefined
  readonly limit: number
}

export interface ThreadsPage {
  readonly roots: readonly StoredEvent[]
  /** What goes with the roots: it is known, and need not be read again to show them. */
  readonly aggregated: ReadonlyMap<EventId, Aggregated>
  readonly end: string | undefined
}

type Thread = { readonly root: StoredEvent; readonly aggregated: Aggregated } & NonNullable<Aggregated['thread']>

const rowsPerRead = 100

/**
 * The roots of a room's threads, the one with the latest reply first. Goes back over all replies of the room: the first that is seen of a
 * thread and may be shown is where it stands.
 */
export async function readThreads(parts: ConversationParts, aggregations: Aggregations, input: ThreadsInput): Promise<ThreadsPage> {
  const known = new Map<EventId, Thread | undefined>()
  const roots: StoredEvent[] = []
  const aggregated = new Map<EventId, Aggregated>()
  let from = parsePlace(input.from)
  for (let scanned = 0; scanned < limits.implementation.relationsScannedMax; scanned += rowsPerRead) {
    const rows = await parts.rooms.relations.threadReplies(input.roomId, { direction: 'b', from, limit: rowsPerRead })
    await learn(parts, aggregations, input, new Set(rows.map(({ root }) => root)).difference(known), known)
    for (const row of rows) {
      const thread = known.get(row.root)
      const isShown = thread?.latest.eventId === row.eventId && (!input.participated || thread.participated)
      if (isShown && roots.length === input.limit) return { roots, aggregated, end: from === undefined ? undefined : formatPlace(from) }
      if (isShown) {
        roots.push(thread.root)
        aggregated.set(row.root, thread.aggregated)
      }
      from = row
    }
    if (rows.length < rowsPerRead) return { roots, aggregated, end: undefined }
  }
  return { roots, aggregated, end: from === undefined ? undefined : formatPlace(from) }
}

async function learn(
  parts: ConversationParts,
  aggregations: Aggregations,
  { roomId, userId }: ThreadsInput,
  rootIds: ReadonlySet<EventId>,
  known: Map<EventId, Thread | undefined>,
): Promise<void> {
  if (rootIds.size === 0) return
  for (const rootId of rootIds) known.set(rootId, undefined)
  const events = (await parts.rooms.events([...rootIds])).filter((event) => event !== undefined).filter((event) => event.roomId === roomId)
  const visible = await parts.visibility.filter(events, userId)
  const aggregated = await aggregations.of(visible, userId)
  const ignored = await parts.ignoredUsers.of(userId)
  for (const event of visible) {
    const own = aggregated.get(event.eventId)
    if (own?.thread === undefined) continue
    // Clients that put threads together by themselves would see such a root empty, too.
    const root = ignored.has(event.pdu.sender) ? emptied(parts, event) : event
    known.set(event.eventId, { ...own.thread, root, aggregated: own })
  }
}

function emptied({ rooms }: ConversationParts, event: StoredEvent): StoredEvent {
  const version = rooms.version(event.roomId)
  return version === undefined ? event : { ...event, pdu: redact(event.pdu, version) }
}
