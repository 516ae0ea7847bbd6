import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import {
  ClientEvent,
  createClient,
  EventStatus,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  RoomEvent,
  SyncState,
} from 'matrix-js-sdk'

/** An unmodified matrix-js-sdk client with rust crypto, and what it has seen. */
export interface SdkAccount {
  readonly client: MatrixClient
  readonly userId: string
  /** Bodies of the decrypted messages of others and of its own, by event id, in the order in which they were first readable. */
  readonly messages: ReadonlyMap<string, string>
  /** Sends until the server has acknowledged it, however often the server dies meanwhile. Always the same transaction id. */
  sendUntilAcknowledged(roomId: string, body: string): Promise<string>
  stop(): void
}

export interface SdkAccountOptions {
  /** Opens secret storage, when the client asks for its key. */
  readonly secretStorageKey?: () => Uint8Array<ArrayBuffer> | undefined
  /** Keeps threads apart from the room's timeline. */
  readonly threadSupport?: boolean
}

export function passwordOf(username: string): string {
  return `password of ${username}`
}

export async function registerSdkAccount(baseUrl: string, username: string, options: SdkAccountOptions = {}): Promise<SdkAccount> {
  const registered = await createClient({ baseUrl }).registerRequest({
    username,
    password: passwordOf(username),
    auth: { type: 'm.login.dummy' },
  })
  const { user_id: userId, access_token: accessToken, device_id: deviceId } = registered
  if (accessToken === undefined || deviceId === undefined) throw new Error('Registration gave no session')
  return startSdkAccount(baseUrl, { userId, accessToken, deviceId }, options)
}

/** Another device of a registered user, which knows nothing yet. */
export async function logInSdkAccount(baseUrl: string, username: string, options: SdkAccountOptions = {}): Promise<SdkAccount> {
  const session = await createClient({ baseUrl }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: username },
    password: passwordOf(username),
  })
  return startSdkAccount(baseUrl, { userId: session.user_id, accessToken: session.access_token, deviceId: session.device_id }, options)
}

async function startSdkAccount(
  baseUrl: string,
  session: { readonly userId: string; readonly accessToken: string; readonly deviceId: string },
  { secretStorageKey, threadSupport = false }: SdkAccountOptions,
): Promise<SdkAccount> {
  const getSecretStorageKey = async ({ keys }: { keys: Record<string, unknown> }): Promise<[string, Uint8Array<ArrayBuffer>] | null> => {
    const [keyId] = Object.keys(keys)
    const key = secretStorageKey?.()
    return keyId === undefined || key === undefined ? null : [keyId, key]
  }
  const client = createClient({ baseUrl, ...session, cryptoCallbacks: { getSecretStorageKey } })
  await client.initRustCrypto({ useIndexedDB: false })
  const messages = collectMessages(client)
  await client.startClient({ initialSyncLimit: 50, threadSupport })
  await firstSync(client)
  return {
    client,
    userId: session.userId,
    messages,
    sendUntilAcknowledged: (roomId, body) => sendUntilAcknowledged(client, roomId, body),
    stop: () => client.stopClient(),
  }
}

function collectMessages(client: MatrixClient): Map<string, string> {
  const messages = new Map<string, string>()
  const note = (event: MatrixEvent): void => {
    const eventId = event.getId()
    if (event.getType() !== 'm.room.message' || event.status !== null || eventId === undefined || event.isDecryptionFailure()) return
    messages.set(eventId, String(event.getContent().body))
  }
  client.on(RoomEvent.Timeline, note)
  client.on(RoomEvent.LocalEchoUpdated, note)
  client.on(MatrixEventEvent.Decrypted, note)
  return messages
}

async function firstSync(client: MatrixClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onSync = (state: SyncState): void => {
    if (state === SyncState.Prepared || state === SyncState.Syncing) resolve()
  }
  client.on(ClientEvent.Sync, onSync)
  await promise
  client.off(ClientEvent.Sync, onSync)
}

async function sendUntilAcknowledged(client: MatrixClient, roomId: string, body: string): Promise<string> {
  const room = await eventually(`room ${roomId} is known`, PATIENCE_MS, () => client.getRoom(roomId) ?? undefined)
  const transactionId = client.makeTxnId()
  let attempt = client.sendEvent(roomId, 'm.room.message' as never, { msgtype: 'm.text', body } as never, transactionId)
  return eventually(`"${body}" is acknowledged`, 120_000, async () => {
    try {
      return (await attempt).event_id
    } catch (error) {
      const echo = room
        .getLiveTimeline()
        .getEvents()
        .find((event) => event.getTxnId() === transactionId)
      if (echo?.status === EventStatus.NOT_SENT) {
        attempt = client.resendEvent(echo, room)
        attempt.catch(() => undefined)
      }
      throw error
    }
  })
}
