import { createClient, ClientEvent, EventType, type MatrixClient, MsgType, Preset, SyncState } from 'matrix-js-sdk'
import { type Logger, logger } from 'matrix-js-sdk/lib/logger.js'
import type { GeneratedSecretStorageKey } from 'matrix-js-sdk/lib/crypto-api/index.js'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from './system-clock.test-support.ts'
import { type Json, TestNode, TestUser } from './test-node.test-support.ts'

const silentLogger: Logger = {
  getChild: () => silentLogger,
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
}

let node: TestNode
const clients: MatrixClient[] = []

beforeEach(async () => {
  // Its own type leaves out what the library behind it has.
  ;(logger as Logger & { setLevel?: (level: 'silent') => void }).setLevel?.('silent')
  node = await TestNode.start({ clock: systemClock })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.stopClient()
  await node[Symbol.asyncDispose]()
})

async function start(user: TestUser, secretKey?: { key: GeneratedSecretStorageKey | undefined }): Promise<MatrixClient> {
  const client = createClient({
    baseUrl: 'http://node.test',
    userId: user.userId,
    deviceId: user.deviceId,
    accessToken: user.token,
    logger: silentLogger,
    fetchFn: async (input, init) => node.clientApi(new Request(input, init)),
    cryptoCallbacks: {
      getSecretStorageKey: async ({ keys }) => {
        const [keyId] = Object.keys(keys)
        const key = secretKey?.key?.privateKey
        return keyId === undefined || key === undefined ? null : [keyId, key]
      },
    },
  })
  clients.push(client)
  await client.initRustCrypto({ useIndexedDB: false })
  const prepared = new Promise<void>((resolve) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve()
    })
  })
  await client.startClient({ initialSyncLimit: 20 })
  await prepared
  return client
}

async function eventually<T>(look: () => T | undefined | false | Promise<T | undefined | false>, what: string): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Never happened: ${what}`)
}

function texts(client: MatrixClient, roomId: string): string[] {
  const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
  return events
    .filter((event) => event.getType() === 'm.room.message' && !event.isDecryptionFailure())
    .map((event) => event.getContent()['body'])
}

test('an unmodified client registers, bootstraps cross-signing, and talks encrypted with a second user', { timeout: 60_000 }, async () => {
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const aliceClient = await start(alice)
  const bobClient = await start(bob)
  await aliceClient.getCrypto()!.bootstrapCrossSigning({ authUploadDeviceSigningKeys: async (makeRequest) => makeRequest(null) })
  expect(await aliceClient.getCrypto()!.isCrossSigningReady()).toBe(true)

  const { room_id: roomId } = await aliceClient.createRoom({
    preset: Preset.TrustedPrivateChat,
    is_direct: true,
    invite: [bob.userId],
    initial_state: [{ type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  await eventually(() => bobClient.getRoom(roomId)?.getMyMembership() === 'invite', 'bob is invited')
  await bobClient.joinRoom(roomId)
  await eventually(() => aliceClient.getRoom(roomId)?.getMember(bob.userId)?.membership === 'join', 'alice sees bob')
  await aliceClient.sendMessage(roomId, { msgtype: MsgType.Text, body: 'hello bob' })
  await eventually(() => texts(bobClient, roomId).includes('hello bob'), 'bob decrypts')
  await bobClient.sendMessage(roomId, { msgtype: MsgType.Text, body: 'hello alice' })
  await eventually(() => texts(aliceClient, roomId).includes('hello alice'), 'alice decrypts')
  const { chunk } = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
  expect(chunk.filter((event: Json) => event.type === 'm.room.message')).toEqual([])
  expect(chunk.filter((event: Json) => event.type === 'm.room.encrypted')).toHaveLength(2)

  // Receipts and typing pass as well.
  const last = aliceClient.getRoom(roomId)!.getLiveTimeline().getEvents().at(-1)!
  await aliceClient.sendReadReceipt(last)
  await eventually(() => bobClient.getRoom(roomId)!.getReadReceiptForUserId(alice.userId)?.eventId === last.getId(), 'the receipt arrives')
  await aliceClient.sendTyping(roomId, true, 10_000)
  await eventually(() => bobClient.getRoom(roomId)!.getMember(alice.userId)!.typing, 'typing shows')
})

test('secret storage and key backup let a second device read what was said before it', { timeout: 60_000 }, async () => {
  const alice = await node.register('alice', 'a good password')
  const secrets = { key: undefined as GeneratedSecretStorageKey | undefined }
  const first = await start(alice, secrets)
  const crypto = first.getCrypto()!
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: async (makeRequest) => makeRequest(null) })
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => (secrets.key = await crypto.createRecoveryKeyFromPassphrase()),
    setupNewKeyBackup: true,
  })
  const { room_id: roomId } = await first.createRoom({
    initial_state: [{ type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  await eventually(() => first.getRoom(roomId)?.hasEncryptionStateEvent(), 'the room is encrypted')
  await first.sendMessage(roomId, { msgtype: MsgType.Text, body: 'before the second device' })
  await eventually(async () => (await alice.ok('GET', '/room_keys/version')).count === 1, 'the key is backed up')

  const login = await node.call('POST', '/login', {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: 'alice' },
    password: 'a good password',
  })
  const second = await start(new TestUser(node, login.body), secrets)
  await second.getCrypto()!.loadSessionBackupPrivateKeyFromSecretStorage()
  await second.getCrypto()!.checkKeyBackupAndEnable()
  await second.getCrypto()!.restoreKeyBackup()
  await eventually(() => texts(second, roomId).includes('before the second device'), 'the second device decrypts')
  // The second device signs itself with the keys from secret storage.
  await second.getCrypto()!.bootstrapCrossSigning({})
  const status = await eventually(async () => {
    const found = await first.getCrypto()!.getDeviceVerificationStatus(alice.userId, login.body.device_id)
    return found?.signedByOwner === true ? found : undefined
  }, 'the first device sees the second signed')
  expect(status.crossSigningVerified).toBe(true)
})
