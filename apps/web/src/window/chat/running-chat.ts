import {
  ClientEvent,
  HttpApiEvent,
  MatrixEventEvent,
  PendingEventOrdering,
  RoomEvent,
  RoomMemberEvent,
  RoomStateEvent,
  SyncState,
} from 'matrix-js-sdk'
import type { MatrixClient, Room } from 'matrix-js-sdk'
import type { JsonObject } from '@kith/matrix-protocol'
import { observableValue } from '../observable.ts'
import type { Observable } from '../observable.ts'
import type { ChatDatabase, Session } from './chat-database.ts'
import type { RoomList, RoomView } from './chat-model.ts'
import { cryptoDatabaseNames } from './sdk-client.ts'
import { databasesClosed } from './crypto-store.ts'
import { DeliveryWatch } from './delivery-watch.ts'
import { chatLimits } from './limits.ts'
import { wait } from './long-poll.ts'
import { messageSender } from './message-sender.ts'
import type { NodeRequester } from './node-api.ts'
import { OpenRoom } from './open-room.ts'
import { Outbox } from './outbox.ts'
import { transactionIdOf } from './room-events.ts'
import { roomListOf } from './room-list.ts'

export interface RunningChatOptions {
  readonly client: MatrixClient
  readonly session: Session
  readonly database: ChatDatabase
  readonly request: NodeRequester
  readonly ownName: () => string
}

/**
 * The SDK's client at work: what it learns becomes rooms and timelines for the page, and the outbox sends through it.
 * Owns the client: nothing else starts or stops it.
 */
export class RunningChat {
  readonly rooms: Observable<RoomList>
  readonly connection = observableValue<'connected' | 'reconnecting'>('connected')
  readonly outbox: Outbox
  readonly #options: RunningChatOptions
  readonly #rooms = observableValue<RoomList>({ invites: [], rooms: [] })
  readonly #deliveries: DeliveryWatch
  readonly #openRooms = new Map<string, OpenRoom>()
  readonly #stop = new AbortController()
  #listTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: RunningChatOptions) {
    this.#options = options
    this.rooms = this.#rooms
    const { client, database, request, session } = options
    this.#deliveries = new DeliveryWatch((query, signal): Promise<JsonObject> =>
      request({ method: 'GET', path: `unstable/im.kith/deliveries${query}`, accessToken: session.accessToken, signal }),
    )
    this.outbox = new Outbox({
      store: database.outbox,
      send: messageSender(client),
      onSent: (entry, eventId) => {
        this.#deliveries.noteSent(eventId)
        const room = client.getRoom(entry.roomId)
        if (room?.findEventById(eventId)?.status === null) this.outbox.forget(entry.transactionId)
      },
      now: () => Date.now(),
      newTransactionId: () => crypto.randomUUID(),
      wait,
    })
  }

  /** Resolves after the first sync. */
  async start(signal: AbortSignal, onKeysOpened: () => void): Promise<void> {
    const { client } = this.#options
    await this.outbox.load()
    await client.initRustCrypto()
    signal.throwIfAborted()
    onKeysOpened()
    const synced = this.#firstSync(signal)
    // Awaited below, unless the client does not even start.
    synced.catch(() => undefined)
    this.#listen()
    await client.startClient({
      initialSyncLimit: 30,
      lazyLoadMembers: true,
      pendingEventOrdering: PendingEventOrdering.Detached,
      pollTimeout: chatLimits.pollTimeoutMs,
      threadSupport: false,
    })
    await synced
    this.#refreshList()
  }

  /** Begins to send what the outbox holds, and to follow deliveries. */
  sendAndFollow(): void {
    this.outbox.start()
    this.outbox.items.subscribe(() => this.#refreshAll())
    this.#deliveries.knowledge.subscribe(() => this.#refreshAll())
    void this.#deliveries.run(this.#stop.signal)
  }

  /** After the node was away: do not wait for the SDK's own, slow retry. */
  hurry(): void {
    this.#options.client.retryImmediately()
  }

  openRoom(roomId: string): RoomView | undefined {
    const open = this.#openRooms.get(roomId)
    if (open !== undefined) return open
    const { client, session, ownName } = this.#options
    const room = client.getRoom(roomId)
    if (room?.getMyMembership() !== 'join') return undefined
    const opened = new OpenRoom({ client, room, ownUserId: session.userId, ownName, outbox: this.outbox, deliveries: this.#deliveries })
    this.#openRooms.set(roomId, opened)
    return opened
  }

  /** Resolves when the sync has brought the room with this membership. */
  async roomArrived(roomId: string, membership: 'join' | 'leave', signal: AbortSignal): Promise<void> {
    const bounded = AbortSignal.any([signal, this.#stop.signal])
    while (!bounded.aborted) {
      const room = this.#options.client.getRoom(roomId)
      if (
        room?.getMyMembership() === membership &&
        (membership === 'leave' || room.currentState.getStateEvents('m.room.create', '') !== null)
      ) {
        this.#refreshList()
        return
      }
      await wait(50, bounded)
    }
    throw new DOMException('The chat did not appear in time.', 'TimeoutError')
  }

  /** Resolves when nothing writes any more and the crypto store is closed; false when it would not close in time. */
  async stop(): Promise<boolean> {
    const { client } = this.#options
    this.#stop.abort()
    clearTimeout(this.#listTimer)
    await Promise.race([this.outbox.stop(), wait(chatLimits.shutdownSendWaitMs, new AbortController().signal)])
    client.stopClient()
    client.removeAllListeners()
    for (const room of this.#openRooms.values()) room.close()
    return databasesClosed(cryptoDatabaseNames, AbortSignal.timeout(chatLimits.shutdownStoreWaitMs))
  }

  #firstSync(signal: AbortSignal): Promise<void> {
    const { client } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => reject(signal.reason)
    const onSync = (state: SyncState) => {
      if (state !== SyncState.Prepared) return
      client.off(ClientEvent.Sync, onSync)
      signal.removeEventListener('abort', abort)
      resolve()
    }
    client.on(ClientEvent.Sync, onSync)
    client.once(HttpApiEvent.SessionLoggedOut, reject)
    signal.addEventListener('abort', abort)
    return promise
  }

  #listen(): void {
    const { client } = this.#options
    client.on(ClientEvent.Sync, (state) => {
      this.connection.set(state === SyncState.Error || state === SyncState.Reconnecting ? 'reconnecting' : 'connected')
    })
    client.on(RoomEvent.Timeline, (event, room) => {
      this.#forgetEchoed(transactionIdOf(event))
      this.#changed(room?.roomId)
    })
    client.on(RoomEvent.LocalEchoUpdated, (event, room) => {
      if (event.status === null) this.#forgetEchoed(transactionIdOf(event))
      this.#changed(room.roomId)
    })
    client.on(RoomEvent.TimelineReset, (room) => {
      if (room !== undefined) this.#openRooms.get(room.roomId)?.reset()
    })
    client.on(MatrixEventEvent.Decrypted, (event) => this.#changed(event.getRoomId()))
    for (const roomEvent of [RoomEvent.Name, RoomEvent.MyMembership, RoomEvent.Receipt, RoomEvent.Redaction] as const) {
      client.on(roomEvent, (...parameters: readonly unknown[]) => this.#changed(parameters.find(isRoom)?.roomId))
    }
    client.on(RoomStateEvent.Members, (_event, state) => this.#changed(state.roomId))
    client.on(RoomMemberEvent.Typing, (_event, member) => this.#openRooms.get(member.roomId)?.refreshSoon())
    client.on(ClientEvent.AccountData, () => this.#refreshListSoon())
    client.on(ClientEvent.DeleteRoom, () => this.#refreshListSoon())
  }

  /** What the server has sent back is shown from there, once its answer to the send has come too. */
  #forgetEchoed(transactionId: string | undefined): void {
    const item = this.outbox.items.get().find(({ entry }) => entry.transactionId === transactionId)
    if (item?.eventId !== undefined) this.outbox.forget(item.entry.transactionId)
  }

  #changed(roomId: string | undefined): void {
    if (roomId !== undefined) this.#openRooms.get(roomId)?.refreshSoon()
    this.#refreshListSoon()
  }

  #refreshAll(): void {
    for (const room of this.#openRooms.values()) room.refreshSoon()
    this.#refreshListSoon()
  }

  #refreshListSoon(): void {
    if (this.#stop.signal.aborted) return
    this.#listTimer ??= setTimeout(() => this.#refreshList(), 30)
  }

  #refreshList(): void {
    clearTimeout(this.#listTimer)
    this.#listTimer = undefined
    this.#rooms.set(roomListOf(this.#options.client, this.#options.session.userId, this.outbox.items.get()))
  }
}

function isRoom(value: unknown): value is Room {
  return typeof value === 'object' && value !== null && 'roomId' in value && 'getLiveTimeline' in value
}
