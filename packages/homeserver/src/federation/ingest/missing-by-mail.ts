import { type EventId, type JsonObject, parseEventId, parseRoomId, type RoomId, type ServerName } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import type { StorageReader } from '../../ports/storage.ts'
import type { Rooms } from '../../rooms/index.ts'
import { type OutboxItem, type Timeline, timelineTables } from '../../timeline/index.ts'
import type { FetchBudgets } from '../fetch/fetch-budgets.ts'
import { originMayAct } from '../origin-may-act.ts'
import { reachOf } from '../reach.ts'

export const MISSING_EDU_TYPE = 'im.kith.missing'

/** What events wait for that nobody within reach has. */
export interface MissingQuestion {
  /** Those that wait. */
  readonly latest: readonly EventId[]
  /** What they lack. */
  readonly wanted: readonly EventId[]
}

export interface MissingByMailParts {
  readonly storage: StorageReader
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly budgets: FetchBudgets
}

const eventIds = v.pipe(
  v.array(v.custom<EventId>((id) => parseEventId(id) !== undefined)),
  v.maxLength(limits.implementation.extremitiesPerRoomMax),
)
const questionSchema = v.object({ room_id: v.string(), earliest: eventIds, latest: eventIds, wanted: eventIds })

/**
 * `get_missing_events` for two servers that only relays connect: the question is an EDU, and the answer are the events themselves. They
 * come as the asking server may see them, and the next question is about what they build on.
 */
export class MissingByMail {
  readonly #parts: MissingByMailParts

  constructor(parts: MissingByMailParts) {
    this.#parts = parts
  }

  /** Asks a member of the room, when it fetches its mail. One question about a room waits at a time; names that cost nothing are asked nothing. */
  async ask(roomId: RoomId, server: ServerName, question: MissingQuestion, signal: AbortSignal): Promise<void> {
    if (this.#parts.rooms.state(roomId)?.isJoined(server) !== true) return
    const waiting = await this.#waitingFor(server)
    if (waiting === undefined || waiting.some((item) => isQuestion(item, roomId))) return
    const { extremitiesPerRoomMax } = limits.implementation
    const some = (ids: readonly EventId[]): readonly EventId[] => ids.slice(0, extremitiesPerRoomMax)
    // What is asked about is no place to stop at.
    const earliest = this.#parts.rooms.extremities(roomId).filter((eventId) => !question.latest.includes(eventId))
    const content = { room_id: roomId, earliest: some(earliest), latest: some(question.latest), wanted: some(question.wanted) }
    signal.throwIfAborted()
    await this.#parts.timeline.commit((transaction) => transaction.enqueue(server, { kind: 'edu', type: MISSING_EDU_TYPE, content }))
  }

  /** Answers a member of the room, or one that has to hear that it is none any more. What it does not fetch is not sent twice, and keeps it from asking for more. */
  async answer(origin: ServerName, content: JsonObject, signal: AbortSignal): Promise<void> {
    const { rooms, timeline, budgets } = this.#parts
    const question = v.safeParse(questionSchema, content)
    const roomId = question.success ? parseRoomId(question.output.room_id) : undefined
    if (!question.success || roomId === undefined) return
    const isInReach = await reachOf(rooms, roomId, origin)
    if (isInReach === undefined) return
    if (!originMayAct(rooms, roomId, origin) || !budgets.of(origin)()) return
    const waiting = await this.#waitingFor(origin)
    if (waiting === undefined) return
    const sent = new Set(waiting.flatMap((item) => (item.kind === 'pdu' ? [item.eventId] : [])))
    const { earliest, latest, wanted } = question.output
    const between = await rooms.missingEvents(roomId, {
      earliest,
      latest,
      limit: limits.implementation.mailedAnswerEventsMax - wanted.length,
      minDepth: 0,
    })
    const named = (await rooms.events(wanted)).filter((event) => event !== undefined).filter((event) => event.roomId === roomId)
    const found = new Map([...between, ...named].map((event) => [event.eventId, event]))
    const due = [...found.values()].filter((event) => event.status !== 'rejected' && !sent.has(event.eventId) && isInReach(event))
    // Should they come in several transactions, those that the others lie behind are there first.
    due.sort((one, other) => other.pdu.depth - one.pdu.depth)
    signal.throwIfAborted()
    if (due.length === 0) return
    await timeline.commit((transaction) => {
      for (const { eventId } of due) transaction.enqueue(origin, { kind: 'pdu', roomId, eventId, asVisible: true })
    })
  }

  /** Undefined when too much waits for the server already. */
  async #waitingFor(server: ServerName): Promise<OutboxItem[] | undefined> {
    const limit = limits.implementation.mailedRowsWaitingMax
    const rows = await this.#parts.storage.range(timelineTables.outbox, { prefix: [server], limit })
    return rows.length === limit ? undefined : rows.map(({ value }) => value.item)
  }
}

function isQuestion(item: OutboxItem, roomId: RoomId): boolean {
  return item.kind === 'edu' && item.type === MISSING_EDU_TYPE && 'room_id' in item.content && item.content.room_id === roomId
}
