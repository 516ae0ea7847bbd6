import {
  type EventId,
  eventIdOf,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parsePdu,
  parseRoomId,
  type Pdu,
  type RoomId,
  type RoomVersion,
  type ServerName,
  unreachable,
} from '@kith/matrix-protocol'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { ReceiveOutcome, Rooms } from '../../rooms/index.ts'
import { KeyedQueue } from '../../keyed-queue.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import type { IncomingTransaction } from '../transaction.ts'
import { originMayAct } from '../origin-may-act.ts'
import { type Edus, isEphemeral } from './edus.ts'
import type { Healing } from './healing.ts'
import type { JoinsUnderWay } from './joins-under-way.ts'
import type { RememberedTransactions } from './remembered-transactions.ts'
import type { RoomIntake } from './room-intake.ts'

export interface IngestParts {
  readonly rooms: Rooms
  readonly intake: RoomIntake
  readonly edus: Edus
  readonly invites: InviteReceiver
  readonly healing: Healing
  readonly joins: JoinsUnderWay
  readonly relayLists: RelayLists
  readonly remembered: RememberedTransactions
}

/** Takes whole transactions in, those of one origin one after the other. */
export class Ingest {
  readonly #parts: IngestParts
  readonly #queue = new KeyedQueue<ServerName>()

  constructor(parts: IngestParts) {
    this.#parts = parts
  }

  /**
   * Resolves with the answer to the sender when everything in the transaction is durable or refused for good.
   * @throws storage failures and the signal's reason: then the sender must keep the transaction.
   */
  receive(transaction: IncomingTransaction, signal: AbortSignal): Promise<JsonObject> {
    return this.#queue.run(transaction.origin, async () => {
      signal.throwIfAborted()
      // Without proof of the origin, its transaction ids are not its own either.
      if (!transaction.trusted) return this.#receivePdus(transaction, signal)
      const { origin, transactionId } = transaction
      const known = await this.#parts.remembered.answerTo(origin, transactionId)
      if (known !== undefined) return known
      const answer = await this.#receiveTrusted(transaction, signal)
      // Events are known again by themselves; typing, receipts and greetings do no harm when they come twice. Most transactions hold
      // nothing else, and so cost no further commit.
      if (!transaction.edus.every(isEphemeral)) await this.#parts.remembered.remember(origin, transactionId, answer)
      this.#parts.healing.compare(origin, transaction.extremities)
      return { ...answer, ...this.#parts.healing.answerTo(origin, transaction.extremities) }
    })
  }

  async #receiveTrusted(transaction: IncomingTransaction, signal: AbortSignal): Promise<JsonObject> {
    const { origin, edus, relayList } = transaction
    if (relayList !== undefined) await this.#parts.relayLists.learn(origin, relayList)
    await this.#parts.edus.receiveBeforeEvents(origin, edus, signal)
    const answer = await this.#receivePdus(transaction, signal)
    await this.#parts.edus.receiveAfterEvents(origin, edus, signal)
    return answer
  }

  async #receivePdus({ origin, pdus }: IncomingTransaction, signal: AbortSignal): Promise<JsonObject> {
    const byRoom = new Map<RoomId, JsonValue[]>()
    for (const pdu of pdus) {
      const roomId = isJsonObject(pdu) ? parseRoomId(pdu['room_id']) : undefined
      if (roomId !== undefined) byRoom.set(roomId, [...(byRoom.get(roomId) ?? []), pdu])
    }
    const results: Record<string, JsonObject> = {}
    for (const [roomId, values] of byRoom) {
      // https://spec.matrix.org/latest/server-server-api/#server-access-control-lists-acls
      if (!originMayAct(this.#parts.rooms, roomId, origin)) {
        for (const eventId of idsOf(values, this.#parts.rooms.version(roomId)))
          results[eventId] = { error: 'The room does not let your server act in it' }
        continue
      }
      const outcomes = await this.#receiveInRoom(roomId, values, origin, signal)
      for (const [eventId, outcome] of outcomes) results[eventId] = resultOf(outcome)
    }
    return { pdus: results }
  }

  async #receiveInRoom(
    roomId: RoomId,
    values: readonly JsonValue[],
    origin: ServerName,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ReceiveOutcome>> {
    if (!this.#parts.rooms.has(roomId)) await this.#parts.joins.ended(roomId)
    // Also in a room that was left: an invite to come back may end without this server's ever being in the room again.
    for (const value of values) await this.#parts.invites.withdraw(value, signal)
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return new Map()
    const pdus = new Map<string, Pdu>()
    for (const value of values) {
      const parsed = parsePdu(value, version)
      if (parsed.kind === 'ok') pdus.set(eventIdOf(parsed.pdu, version), parsed.pdu)
    }
    if (pdus.size === 0) return new Map()
    const outcomes = await this.#parts.intake.receive(roomId, [...pdus.values()], origin, signal)
    // What the sender cannot wait for goes on behind it.
    if (outcomes.values().some(({ kind }) => kind === 'missing')) this.#parts.healing.retryStaged(roomId, origin)
    return new Map([...outcomes].filter(([eventId]) => pdus.has(eventId)))
  }
}

function idsOf(values: readonly JsonValue[], version: RoomVersion | undefined): EventId[] {
  if (version === undefined) return []
  return values.flatMap((value) => {
    const parsed = parsePdu(value, version)
    return parsed.kind === 'ok' ? [eventIdOf(parsed.pdu, version)] : []
  })
}

/** An empty object says that the event was taken in; a soft-failed one was. */
function resultOf(outcome: ReceiveOutcome): JsonObject {
  switch (outcome.kind) {
    case 'accepted':
    case 'duplicate':
    case 'soft-failed':
      return {}
    case 'rejected':
      return { error: outcome.reason }
    case 'missing':
      return { error: 'What the event builds on could not be fetched yet' }
    case 'unknown-room':
      return { error: 'The room is not known here' }
    default:
      return unreachable(outcome)
  }
}
