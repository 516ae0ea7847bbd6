import { type EventId, ownString, redactsOf, type RoomId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock, Log, SearchDocument, SearchField, SearchIndex } from '../ports/index.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { wordsOf } from './words.ts'

export interface SearchIndexerParts {
  readonly index: SearchIndex
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly clock: Clock
  readonly log: Log
}

const fieldOfType: ReadonlyMap<string, { readonly field: SearchField; readonly member: string }> = new Map([
  ['m.room.message', { field: 'content.body', member: 'body' }],
  ['m.room.name', { field: 'content.name', member: 'name' }],
  ['m.room.topic', { field: 'content.topic', member: 'topic' }],
])

/**
 * Fills the search index from the stream, behind what is sent and received: those commits know nothing of it.
 *
 * Invariants:
 * 1. The index and the position up to which it was filled are one commit. After a crash the rest is read again, which does no harm.
 * 2. Each row leads to the events as they are when it is read: what was redacted meanwhile does not come in, and what was redacted by the
 *    event of a row goes out.
 */
export class SearchIndexer implements AsyncDisposable {
  readonly #parts: SearchIndexerParts
  readonly #end = new AbortController()
  #filling: Promise<void> | undefined
  #running: Promise<void> | undefined

  constructor(parts: SearchIndexerParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when the index holds what was committed before the call. Several callers share the work. */
  async catchUp(): Promise<void> {
    const wanted = this.#parts.timeline.position
    while ((await this.#parts.index.position()) < wanted) {
      this.#end.signal.throwIfAborted()
      this.#filling ??= this.#fillPage().finally(() => (this.#filling = undefined))
      await this.#filling
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the index is not filled any more'))
    await Promise.allSettled([this.#running, this.#filling])
  }

  async #run(): Promise<void> {
    const { clock, timeline, index, log } = this.#parts
    const { searchIndexDelayMs, searchIndexRetryMs } = limits.implementation
    const { signal } = this.#end
    while (!signal.aborted) {
      try {
        // A start is not slowed, and what follows soon shares the commit; whoever searches meanwhile does not wait for this.
        await clock.sleep(searchIndexDelayMs, signal)
        await this.#forgetOthers()
        await this.catchUp()
        await timeline.changed(await index.position(), signal)
      } catch (error) {
        if (signal.aborted) return
        log.warn('the search index could not be filled', { error: error instanceof Error ? error.name : typeof error })
        await clock.sleep(searchIndexRetryMs, signal).catch(() => undefined)
      }
    }
  }

  /** An index that is ahead was filled from another storage. */
  async #forgetOthers(): Promise<void> {
    const { index, timeline } = this.#parts
    if ((await index.position()) > timeline.position) await index.clear()
  }

  async #fillPage(): Promise<void> {
    const { index, timeline } = this.#parts
    const rowsMax = limits.implementation.searchIndexRowsPerCommitMax
    const committed = timeline.position
    const rows = (await timeline.since(await index.position(), rowsMax)).filter(({ key }) => key[0] <= committed)
    const upTo = rows.length < rowsMax ? committed : (rows.at(-1)?.key[0] ?? committed)
    const touched = new Map<EventId, RoomId>()
    for (const { value } of rows) if (value.kind === 'room-event' || value.kind === 'room-history') touched.set(value.eventId, value.roomId)
    const events = await this.#withRedacted(touched)
    const put: SearchDocument[] = []
    const remove: EventId[] = []
    for (const [eventId, event] of events) {
      const document = event === undefined ? undefined : documentOf(event)
      if (document === undefined) remove.push(eventId)
      else put.push(document)
    }
    await index.apply({ put, remove, upTo })
  }

  /** The events, and those that they redact. */
  async #withRedacted(touched: ReadonlyMap<EventId, RoomId>): Promise<Map<EventId, StoredEvent | undefined>> {
    const { rooms } = this.#parts
    const ids = [...touched.keys()]
    const events = await rooms.events(ids)
    const found = new Map(ids.map((eventId, index) => [eventId, events[index]]))
    const targets = events.flatMap((event) => {
      const version = event === undefined ? undefined : rooms.version(event.roomId)
      const target = event === undefined || version === undefined ? undefined : (redactsOf(event.pdu, version) as EventId | undefined)
      return target === undefined || found.has(target) ? [] : [target]
    })
    const redacted = await rooms.events(targets)
    for (const [index, target] of targets.entries()) if (redacted[index] !== undefined) found.set(target, redacted[index])
    return found
  }
}

/** Undefined for what nobody could search for, and for what is not shown to anybody. */
function documentOf({ eventId, roomId, pdu, status, redactedBy, sequence }: StoredEvent): SearchDocument | undefined {
  const indexed = fieldOfType.get(pdu.type)
  const text = indexed === undefined ? undefined : ownString(pdu.content, indexed.member)
  // Without a sequence it has no place in the history.
  if (indexed === undefined || text === undefined || status !== 'accepted' || redactedBy !== undefined || sequence === undefined)
    return undefined
  const words = wordsOf(text)
  if (words.length === 0) return undefined
  return { eventId, roomId, sender: pdu.sender, field: indexed.field, words, timestamp: pdu.origin_server_ts }
}
