import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import type { Receipt } from '../../ephemeral/receipts.ts'
import type { RoomActivity } from '../../rooms/index.ts'
import { Ledger } from './ledger.ts'
import { WantedStates } from './wanted-state.ts'

/** What the client was told of a room down this connection. */
export interface SentRoom {
  readonly membership: string
  /** The client's own membership event; undefined for an invite from outside. */
  readonly memberEventId: EventId | undefined
  /** The client knows the timeline and the wanted state up to here. */
  readonly position: number
  readonly snapshot: RoomActivity['snapshot'] | undefined
  /** How many of the newest events it has without a gap between them. */
  readonly unbroken: number
  readonly wantedName: string
  readonly wants: (type: string, stateKey: string) => boolean
  /** Members that were sent because the timeline needed them. */
  readonly members: ReadonlySet<UserId>
  readonly isDirect: boolean
  readonly notificationCount: number
  readonly highlightCount: number
}

/** How far a connection has come, apart from its rooms. */
export interface Progress {
  /** Whatever happened up to here in the stream was told or is noted as owed. */
  readonly position: number
  /** The same for device lists and global account data; undefined while these were never asked for. */
  readonly encryption: number | undefined
  readonly accountData: number | undefined
  readonly counts: ReadonlyMap<string, number>
}

const beginning: Progress = { position: 0, encryption: undefined, accountData: undefined, counts: new Map() }

/**
 * One loop of requests of one client.
 *
 * Invariants:
 * 1. The client may repeat the request of the latest token it used or got; older tokens are unknown.
 * 2. What an answer told counts only when its token comes back: whoever lost an answer is told again.
 */
export class Connection {
  readonly rooms = new Ledger<RoomId, SentRoom>()
  /** Up to where the receipts of a room were told. */
  readonly receipts = new Ledger<RoomId, number>()
  /** Rooms with receipts that were not told because the room was out of sight. */
  readonly receiptsOwed = new Ledger<RoomId, true>()
  /** Receipts that stood in each other's way in an answer, and come with the next. */
  readonly receiptsHeld = new Ledger<RoomId, readonly Receipt[]>()
  /** Rooms whose unread counts have to be looked at again. */
  readonly countsOwed = new Ledger<RoomId, true>()
  /** Rooms whose account data the client has. */
  readonly accountData = new Ledger<RoomId, true>()
  /** The typing users that were told last. */
  readonly typing = new Ledger<RoomId, string>()
  readonly wanted = new WantedStates()
  readonly #name: string
  #answers = 0
  #confirmed = { token: undefined as string | undefined, progress: beginning }
  #staged: { readonly token: string; readonly progress: Progress } | undefined

  /** @param name not to be met again in another run of this server. */
  constructor(name: string) {
    this.#name = name
  }

  get progress(): Progress {
    return this.#confirmed.progress
  }

  /** Whether the client has had an answer. */
  get hasBegun(): boolean {
    return this.#confirmed.token !== undefined
  }

  /** Goes on from the answer with this token. False when the token is unknown. */
  resume(token: string | undefined): boolean {
    if (token === this.#staged?.token && this.#staged !== undefined) {
      this.#confirm(this.#staged)
      return true
    }
    this.takeBack()
    return token === this.#confirmed.token
  }

  /** Forgets what was staged since the last answer that the client has shown to have. */
  takeBack(): void {
    this.#staged = undefined
    for (const ledger of this.#ledgers()) ledger.takeBack()
  }

  /** Makes the token of an answer. */
  stage(progress: Progress): string {
    const token = `${this.#name}.${++this.#answers}`
    this.#staged = { token, progress }
    return token
  }

  /** Nothing was to tell up to here, so there is nothing that the client has to show to have. */
  moveOn(progress: Progress): void {
    this.#confirm({ token: this.#confirmed.token, progress })
  }

  /** For a request that ends without having moved. */
  get token(): string {
    return this.#confirmed.token ?? `${this.#name}.0`
  }

  #confirm(reached: { readonly token: string | undefined; readonly progress: Progress }): void {
    this.#confirmed = reached
    this.#staged = undefined
    for (const ledger of this.#ledgers()) ledger.confirm()
  }

  #ledgers(): { confirm(): void; takeBack(): void }[] {
    return [this.rooms, this.receipts, this.receiptsOwed, this.receiptsHeld, this.countsOwed, this.accountData, this.typing]
  }
}
