import { encodeBase64Url, type EventId, type JsonObject, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Edu, TransactionParts } from '../transaction.ts'
import type { DestinationParts } from './destination.ts'
import type { OutboxEntry } from './outbox.ts'

/** Rows go to the server itself and to its relays. */
const WAYS = 2

/** Turns outbox rows of one destination into what a transaction says. */
export class TransactionContents {
  readonly #server: ServerName
  readonly #parts: DestinationParts
  /** Of what is on its way to the server, and of what is to its relays. */
  readonly #ids = new Map<string, string>()

  constructor(server: ServerName, parts: DestinationParts) {
    this.#server = server
    this.#parts = parts
  }

  /** The same id for the same rows, until they are taken: so that a repetition can be told from something new. */
  idFor(entries: readonly OutboxEntry[]): string {
    const positions = positionsOf(entries)
    const id = this.#ids.get(positions) ?? encodeBase64Url(this.#parts.ports.random.bytes(16))
    this.#ids.delete(positions)
    if (positions !== '') this.#ids.set(positions, id)
    const [oldest] = this.#ids.keys()
    if (oldest !== undefined && this.#ids.size > WAYS) this.#ids.delete(oldest)
    return id
  }

  /** The rows were taken: should they ever be sent again, that is a new transaction. */
  taken(entries: readonly OutboxEntry[]): void {
    this.#ids.delete(positionsOf(entries))
  }

  of(entries: readonly OutboxEntry[], ephemeral: readonly Edu[], members: JsonObject): TransactionParts {
    const durable = entries.flatMap(({ content }) => (content.kind === 'edu' ? [content.edu] : []))
    return {
      origin: this.#parts.serverName,
      now: this.#parts.ports.clock.now(),
      pdus: entries.flatMap(({ content }) => (content.kind === 'pdu' ? [content.pdu] : [])),
      edus: [...durable, ...ephemeral],
      members,
    }
  }

  /** This server's relay list, unless the destination has it, and what the rooms look like here. */
  async members(extremities: ReadonlyMap<RoomId, readonly EventId[]>): Promise<JsonObject> {
    const list = (await this.#parts.sentRelayLists.isCurrent(this.#server)) ? {} : { 'im.kith.relay_list': this.#parts.relayLists.own }
    return extremities.size === 0 ? list : { ...list, 'im.kith.extremities': Object.fromEntries(extremities) }
  }

  extremitiesOf(rooms: Iterable<RoomId>): Map<RoomId, readonly EventId[]> {
    const { extremitiesPerRoomMax, extremitiesRoomsPerTransactionMax } = limits.implementation
    const told = [...rooms].slice(0, extremitiesRoomsPerTransactionMax)
    return new Map(told.map((roomId) => [roomId, this.#parts.extremitiesOf(roomId).slice(0, extremitiesPerRoomMax)] as const))
  }
}

function positionsOf(entries: readonly OutboxEntry[]): string {
  return entries.map(({ position }) => position).join()
}
