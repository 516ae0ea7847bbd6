import { eventually } from '@kith/testkit/eventually'
import { createClient, ClientEvent, EventType, type MatrixClient, MsgType, Preset, SyncState } from 'matrix-js-sdk'
import type { GeneratedSecretStorageKey } from 'matrix-js-sdk/lib/crypto-api/index.js'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silenceSdk, silentLogger } from './quiet-sdk.test-support.ts'
import { systemClock } from './system-clock.test-support.ts'
import { type Json, TestNode, TestUser } from './test-node.test-support.ts'

let node: TestNode
const clients: MatrixClient[] = []

beforeEach(async () => {
  silenceSdk()
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

function texts(client: MatrixClient, roomId: string): string[] {
  const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
  return events
    .filter((event) => event.getType() === 'm.room.message' && !event.isDecryptionFailure())
    .map((event) => event.getContent()['body'])
}

test('an unmodified client registers, bootstraps cross-signing, and talks encrypted with a second user', { timeout: 120_000 }, async () => {
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
  await eventually('bob is invited', 60_000, () => bobClient.getRoom(roomId)?.getMyMembership() === 'invite')
  await bobClient.joinRoom(roomId)
  await eventually('alice sees bob', 60_000, () => aliceClient.getRoom(roomId)?.getMember(bob.userId)?.membership === 'join')
  await aliceClient.sendMessage(roomId, { msgtype: MsgType.Text, body: 'hello bob' })
  await eventually('bob decrypts', 60_000, () => texts(bobClient, roomId).includes('hello bob'))
  await bobClient.sendMessage(roomId, { msgtype: MsgType.Text, body: 'hello alice' })
  await eventually('alice decrypts', 60_000, () => texts(aliceClient, roomId).includes('hello alice'))
  const { chunk } = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
  expect(chunk.filter((event: Json) => event.type === 'm.room.message')).toEqual([])
  expect(chunk.filter((event: Json) => event.type === 'm.room.encrypted')).toHaveLength(2)

  // Receipts and typing pass as well.
  const last = aliceClient.getRoom(roomId)!.getLiveTimeline().getEvents().at(-1)!
  await aliceClient.sendReadReceipt(last)
  await eventually(
    'the receipt arrives',
    60_000,
    () => bobClient.getRoom(roomId)!.getReadReceiptForUserId(alice.userId)?.eventId === last.getId(),
  )
  await aliceClient.sendTyping(roomId, true, 30_000)
  await eventually('typing shows', 60_000, () => bobClient.getRoom(roomId)!.getMember(alice.userId)!.typing)
})

test('secret storage and key backup let a second device read what was said before it', { timeout: 120_000 }, async () => {
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
  await eventually('the room is encrypted', 60_000, () => first.getRoom(roomId)?.hasEncryptionStateEvent())
  await first.sendMessage(roomId, { msgtype: MsgType.Text, body: 'before the second device' })
  await eventually('the key is backed up', 60_000, async () => (await alice.ok('GET', '/room_keys/version')).count === 1)

  const login = await node.call('POST', '/login', {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: 'alice' },
    password: 'a good password',
  })
  const second = await start(new TestUser(node, login.body), secrets)
  await second.getCrypto()!.loadSessionBackupPrivateKeyFromSecretStorage()
  await second.getCrypto()!.checkKeyBackupAndEnable()
  await second.getCrypto()!.restoreKeyBackup()
  await eventually('the second device decrypts', 60_000, () => texts(second, roomId).includes('before the second device'))
  // The second device signs itself with the keys from secret storage, which it knows by the public ones, once the server has what is signed.
  const published = async () => (await alice.ok('POST', '/keys/query', { device_keys: { [alice.userId]: [] } })).device_keys[alice.userId]
  await eventually('the second device is known', 60_000, async () => login.body.device_id in (await published()))
  expect(await second.getCrypto()!.userHasCrossSigningKeys(alice.userId, true)).toBe(true)
  await second.getCrypto()!.bootstrapCrossSigning({})
  const status = await eventually('the first device sees the second signed', 60_000, async () => {
    const found = await first.getCrypto()!.getDeviceVerificationStatus(alice.userId, login.body.device_id)
    return found?.signedByOwner === true ? found : undefined
  })
  expect(status.crossSigningVerified).toBe(true)
})
