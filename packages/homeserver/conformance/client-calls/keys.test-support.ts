import { encodeBase64, signingBytes, withSignature } from '@kith/matrix-protocol'
import type { Json, TestUser } from '../../src/client-api/test-node.test-support.ts'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { type ClientContract, withPassword } from '../client-contract.test-support.ts'

/** Keys of devices, cross-signing, backup, and messages to devices. */
export async function callKeys(contract: ClientContract): Promise<void> {
  await callDeviceKeys(contract)
  await callCrossSigning(contract)
  await callBackupVersions(contract)
  await callBackupKeys(contract)
}

function deviceKeys({ userId, deviceId }: TestUser): object {
  return {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: 'a2V5', [`ed25519:${deviceId}`]: 'a2V5' },
    signatures: { [userId]: { [`ed25519:${deviceId}`]: 'c2ln' } },
  }
}

async function callDeviceKeys(contract: ClientContract): Promise<void> {
  const { alice, bob } = contract
  const { next_batch: from } = await alice.sync()
  for (const user of [alice, bob]) {
    const signatures = { [user.userId]: { [`ed25519:${user.deviceId}`]: 'c2ln' } }
    await contract.ask(user, 'uploadKeys', {
      body: {
        device_keys: deviceKeys(user),
        one_time_keys: { 'signed_curve25519:AAAA': { key: 'b25l', signatures } },
        fallback_keys: { 'signed_curve25519:BBBB': { key: 'YmFjaw', fallback: true, signatures } },
      },
    })
  }
  await contract.ask(alice, 'queryKeys', { body: { device_keys: { [alice.userId]: [], [bob.userId]: [bob.deviceId] }, timeout: 1_000 } })
  const wanted = { [alice.userId]: { [alice.deviceId]: 'signed_curve25519' }, [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } }
  await contract.ask(alice, 'claimKeys', { body: { one_time_keys: wanted, timeout: 1_000 } })
  const { next_batch: to } = await alice.sync()
  await contract.ask(alice, 'getKeysChanges', { query: { from, to } })
  const messages = { [bob.userId]: { '*': { text: 'psst' } }, [alice.userId]: { [alice.deviceId]: { text: 'hm' } } }
  await contract.ask(alice, 'sendToDevice', { path: { eventType: 'org.example.note', txnId: 'one' }, body: { messages } })
}

type SigningKey = ReturnType<typeof createNobleCrypto>

async function callCrossSigning(contract: ClientContract): Promise<void> {
  const { alice } = contract
  const master = createNobleCrypto(contract.world.random.bytes(32))
  const masterKey = crossSigningKey(alice, 'master', master)
  const keys = {
    master_key: masterKey,
    self_signing_key: await signed(alice, crossSigningKey(alice, 'self_signing'), master),
    user_signing_key: await signed(alice, crossSigningKey(alice, 'user_signing'), master),
  }
  await contract.ask(alice, 'uploadCrossSigningKeys', { body: keys })
  await contract.ask(alice, 'uploadCrossSigningKeys', { body: { self_signing_key: crossSigningKey(alice, 'self_signing') } }, 400)
  await contract.ask(alice, 'uploadCrossSigningKeys', { body: { master_key: { ...masterKey, user_id: contract.bob.userId } } }, 400)
  await withPassword(contract, alice, 'uploadCrossSigningKeys', { master_key: crossSigningKey(alice, 'master') })
  const target = { ...deviceKeys(alice), signatures: { [alice.userId]: { 'ed25519:other': 'c2ln' } } }
  const unknown = { ...deviceKeys(alice), device_id: 'NONE' }
  await contract.ask(alice, 'uploadCrossSigningSignatures', {
    body: { [alice.userId]: { [alice.deviceId]: target, NONE: unknown } },
  })
}

function crossSigningKey(user: TestUser, usage: string, key?: SigningKey): Json {
  const publicKey = encodeBase64((key ?? createNobleCrypto(user.node.world.random.bytes(32))).publicKey)
  return { user_id: user.userId, usage: [usage], keys: { [`ed25519:${publicKey}`]: publicKey } }
}

async function signed(user: TestUser, key: Json, master: SigningKey): Promise<Json> {
  const name = `ed25519:${encodeBase64(master.publicKey)}`
  return withSignature(key, user.userId as never, name as never, await master.sign(signingBytes(key)))
}

const backup = {
  algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2',
  auth_data: { public_key: 'abcdefg', signatures: { '@alice:example.org': { 'ed25519:A': 'c2ln' } } },
}

async function callBackupVersions(contract: ClientContract): Promise<void> {
  const { carol } = contract
  await contract.ask(carol, 'getRoomKeysVersionCurrent', {}, 404)
  const { version } = await contract.ask(carol, 'postRoomKeysVersion', { body: backup })
  await contract.ask(carol, 'getRoomKeysVersionCurrent')
  await contract.ask(carol, 'getRoomKeysVersion', { path: { version } })
  await contract.ask(carol, 'getRoomKeysVersion', { path: { version: 'none' } }, 404)
  await contract.ask(carol, 'putRoomKeysVersion', { path: { version }, body: { ...backup, version } })
  await contract.ask(carol, 'putRoomKeysVersion', { path: { version }, body: { ...backup, algorithm: 'other' }, isWrong: true }, 400)
  await contract.ask(carol, 'putRoomKeysVersion', { path: { version: 'none' }, body: backup }, 404)
  await contract.ask(carol, 'deleteRoomKeysVersion', { path: { version } })
  await contract.ask(carol, 'deleteRoomKeysVersion', { path: { version } }, 404)
}

async function callBackupKeys(contract: ClientContract): Promise<void> {
  const { alice, roomId } = contract
  const old = await contract.ask(alice, 'postRoomKeysVersion', { body: backup })
  const { version } = await contract.ask(alice, 'postRoomKeysVersion', { body: backup })
  const session_data = { ephemeral: 'base64', ciphertext: 'base64', mac: 'base64' }
  const session = { first_message_index: 1, forwarded_count: 0, is_verified: true, session_data }
  const query = { version }
  const path = { roomId, sessionId: 'one' }
  await contract.ask(alice, 'putRoomKeys', { query, body: { rooms: { [roomId]: { sessions: { one: session } } } } })
  await contract.ask(alice, 'putRoomKeysByRoomId', { path, query, body: { sessions: { two: session } } })
  await contract.ask(alice, 'putRoomKeyBySessionId', { path, query, body: session })
  await contract.ask(alice, 'putRoomKeys', { query: { version: old.version }, body: { rooms: {} } }, 403)
  await contract.ask(alice, 'putRoomKeysByRoomId', { path, query: { version: old.version }, body: { sessions: {} } }, 403)
  await contract.ask(alice, 'putRoomKeyBySessionId', { path, query: { version: old.version }, body: session }, 403)
  await contract.ask(alice, 'getRoomKeys', { query })
  await contract.ask(alice, 'getRoomKeysByRoomId', { path, query })
  await contract.ask(alice, 'getRoomKeyBySessionId', { path, query })
  await contract.ask(alice, 'getRoomKeyBySessionId', { path: { roomId, sessionId: 'none' }, query }, 404)
  await contract.ask(alice, 'getRoomKeys', { query: { version: 'none' } }, 404)
  await contract.ask(alice, 'deleteRoomKeyBySessionId', { path, query })
  await contract.ask(alice, 'deleteRoomKeysByRoomId', { path, query })
  await contract.ask(alice, 'deleteRoomKeys', { query })
}
