import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { Method } from 'matrix-js-sdk'
import {
  type CryptoApi,
  CryptoEvent,
  type GeneratedSecretStorageKey,
  type ShowSasCallbacks,
  type VerificationRequest,
  VerificationPhase,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api/index.js'
import { expect, test } from 'vitest'
import { createServer, type Server } from './headless-constellation.ts'
import { logInSdkAccount, passwordOf, registerSdkAccount, type SdkAccount, type SdkAccountOptions } from './sdk-account.ts'
import { startEncryptedChat } from './sdk-chats.ts'

const SAS = 'm.sas.v1'

/** One server of its own, and the clients that talk to it. */
class Household implements AsyncDisposable {
  readonly server: Server
  readonly #directory: string
  readonly #accounts: SdkAccount[] = []

  private constructor(server: Server, directory: string) {
    this.server = server
    this.#directory = directory
  }

  static async start(): Promise<Household> {
    const directory = await mkdtemp(join(tmpdir(), 'kith-sdk-'))
    const server = await createServer(join(directory, 'server'), [])
    await server.start()
    return new Household(server, directory)
  }

  async register(username: string, options?: SdkAccountOptions): Promise<SdkAccount> {
    const account = await registerSdkAccount(this.server.baseUrl, username, options)
    this.#accounts.push(account)
    return account
  }

  async logIn(username: string, options?: SdkAccountOptions): Promise<SdkAccount> {
    const account = await logInSdkAccount(this.server.baseUrl, username, options)
    this.#accounts.push(account)
    return account
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const account of this.#accounts) account.stop()
    await this.server.process.end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true })
  }
}

test('devices and users verify each other by emoji; a new device reads what was said before it', async () => {
  await using household = await Household.start()
  const { alice, bob, secretStorageKey } = await twoWithRecovery(household)
  await cryptoOf(bob).bootstrapCrossSigning({ authUploadDeviceSigningKeys: async (upload) => upload(null) })
  const { roomId } = await startEncryptedChat(alice, bob)
  await alice.sendUntilAcknowledged(roomId, 'before the second device')
  await eventually('both keys of the room are backed up', PATIENCE_MS, async () => {
    // What the client says of it is from when it looked first.
    const { count } = await alice.client.http.authedRequest<{ count: number }>(Method.Get, '/room_keys/version')
    return count === 2
  })

  // Two devices of one user, by messages to the device.
  const phone = await household.logIn('alice')
  expect(await cryptoOf(phone).getDeviceVerificationStatus(alice.userId, deviceOf(phone))).toMatchObject({ signedByOwner: false })
  const received = nextRequest(alice)
  const [emojiOfPhone, emojiOfAlice] = await verifyEachOther(await cryptoOf(phone).requestOwnUserVerification(), await received)
  expect(emojiOfPhone).toHaveLength(7)
  expect(emojiOfPhone).toEqual(emojiOfAlice)
  for (const [seenBy, other] of [
    [alice, phone],
    [phone, alice],
  ] as const) {
    await eventually('each device trusts the other', PATIENCE_MS, async () => {
      const status = await cryptoOf(seenBy).getDeviceVerificationStatus(alice.userId, deviceOf(other))
      return status?.crossSigningVerified === true
    })
  }
  // The verified device was given the backup's key by the other, without any recovery key.
  await eventually(
    'the phone has the key of the backup',
    PATIENCE_MS,
    async () => (await cryptoOf(phone).getSessionBackupPrivateKey()) !== null,
  )
  await cryptoOf(phone).checkKeyBackupAndEnable()
  await cryptoOf(phone).restoreKeyBackup()
  await eventually('the phone reads what was before it', PATIENCE_MS, () =>
    [...phone.messages.values()].includes('before the second device'),
  )

  // Two users, in the room that they share.
  const asked = nextRequest(bob)
  const inRoom = await cryptoOf(alice).requestVerificationDM(bob.userId, roomId)
  const [emojiOfOne, emojiOfOther] = await verifyEachOther(inRoom, await asked)
  expect(emojiOfOne).toEqual(emojiOfOther)
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await eventually(`${from.userId} trusts ${to.userId}`, PATIENCE_MS, async () =>
      (await cryptoOf(from).getUserVerificationStatus(to.userId)).isCrossSigningVerified(),
    )
  }
  // A signature on somebody else's key is seen by all devices of the one who made it.
  await eventually('the phone trusts bob too', PATIENCE_MS, async () =>
    (await cryptoOf(phone).getUserVerificationStatus(bob.userId)).isCrossSigningVerified(),
  )

  // A device with nothing but the recovery key.
  const laptop = await household.logIn('alice', { secretStorageKey })
  await cryptoOf(laptop).loadSessionBackupPrivateKeyFromSecretStorage()
  await cryptoOf(laptop).checkKeyBackupAndEnable()
  const restored = await cryptoOf(laptop).restoreKeyBackup()
  expect(restored.imported).toBe(restored.total)
  expect(restored.imported).toBeGreaterThan(0)
  await eventually('the laptop reads what was before it', PATIENCE_MS, () =>
    [...laptop.messages.values()].includes('before the second device'),
  )

  // New keys for the identity need the password, and so does the end of a device.
  let challenges = 0
  await cryptoOf(alice).bootstrapCrossSigning({
    setupNewCrossSigning: true,
    authUploadDeviceSigningKeys: async (upload) => {
      await upload(null).catch((error: UiaError) => {
        challenges += 1
        return upload(passwordAuth('alice', error))
      })
    },
  })
  expect(challenges).toBe(1)
  await expect(alice.client.deleteDevice(deviceOf(laptop))).rejects.toMatchObject({ httpStatus: 401 })
  await alice.client
    .deleteDevice(deviceOf(laptop))
    .catch(async (error: UiaError) => alice.client.deleteDevice(deviceOf(laptop), passwordAuth('alice', error)))
  const { devices } = await alice.client.getDevices()
  expect(devices.map((device) => device.device_id).toSorted()).toEqual([deviceOf(alice), deviceOf(phone)].toSorted())
  await expect(laptop.client.whoami()).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' })
})

test('a dehydrated device collects the keys of what is said while its user has no other', async () => {
  await using household = await Household.start()
  const { alice, bob, secretStorageKey } = await twoWithRecovery(household)
  const { roomId } = await startEncryptedChat(alice, bob)
  expect(await cryptoOf(alice).isDehydrationSupported()).toBe(true)
  await cryptoOf(alice).startDehydration()
  const gone = deviceOf(alice)
  await alice.client.logout(true)
  await eventually('bob knows of the dehydrated device only', PATIENCE_MS, async () => {
    const devices = [...((await cryptoOf(bob).getUserDeviceInfo([alice.userId])).get(alice.userId)?.values() ?? [])]
    return devices.length === 1 && devices[0]?.deviceId !== gone && devices[0]?.dehydrated
  })
  await bob.sendUntilAcknowledged(roomId, 'while alice has no device')

  const later = await household.logIn('alice', { secretStorageKey })
  // Clients ask for the public keys before they take the private ones.
  expect(await cryptoOf(later).userHasCrossSigningKeys(alice.userId, true)).toBe(true)
  await cryptoOf(later).bootstrapCrossSigning({})
  const completed = new Promise<void>((resolve) => later.client.once(CryptoEvent.RehydrationCompleted, resolve))
  await cryptoOf(later).startDehydration()
  await completed
  await eventually('alice reads it', PATIENCE_MS, () => [...later.messages.values()].includes('while alice has no device'))
  // The one that was read is replaced by a new one.
  const { devices } = await later.client.getDevices()
  expect(devices).toHaveLength(2)
})

interface UiaError {
  readonly data: { readonly session: string }
}

function passwordAuth(username: string, { data }: UiaError) {
  const identifier = { type: 'm.id.user', user: username }
  return { type: 'm.login.password', session: data.session, identifier, password: passwordOf(username) } as const
}

function cryptoOf(account: SdkAccount): CryptoApi {
  const crypto = account.client.getCrypto()
  if (crypto === undefined) throw new Error('The client has no crypto')
  return crypto
}

function deviceOf(account: SdkAccount): string {
  return account.client.getDeviceId() ?? ''
}

/** Cross-signing, secret storage and a backup of keys, as a client does it for a new user. */
async function bootstrap(account: SdkAccount, username: string, recovery: { key?: GeneratedSecretStorageKey }): Promise<void> {
  const crypto = cryptoOf(account)
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (upload) => upload(null).catch(async (error: UiaError) => upload(passwordAuth(username, error))),
  })
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => (recovery.key = await crypto.createRecoveryKeyFromPassphrase()),
    setupNewKeyBackup: true,
  })
  expect(await crypto.isCrossSigningReady()).toBe(true)
  expect(await crypto.isSecretStorageReady()).toBe(true)
}

async function nextRequest(account: SdkAccount): Promise<VerificationRequest> {
  return new Promise((resolve) => account.client.once(CryptoEvent.VerificationRequestReceived, resolve))
}

/** What each of the two was shown. */
async function verifyEachOther(asking: VerificationRequest, asked: VerificationRequest): Promise<[unknown, unknown]> {
  await asked.accept()
  await eventually('the request is accepted', PATIENCE_MS, () => asking.phase === VerificationPhase.Ready)
  const one = await asking.startVerification(SAS)
  const shownToOne = confirmWhatIsShown(one)
  const other = await eventually('the other learns of the beginning', PATIENCE_MS, () => asked.verifier)
  return Promise.all([shownToOne, confirmWhatIsShown(other)])
}

/** The client itself refers to a verifier only weakly: without somebody who holds it, as an app's screen does, it may be collected half-way and never say that it is done. */
const underWay = new Set<Verifier>()

async function confirmWhatIsShown(verifier: Verifier): Promise<unknown> {
  underWay.add(verifier)
  const shown = new Promise<ShowSasCallbacks>((resolve) => verifier.once(VerifierEvent.ShowSas, resolve))
  const verified = verifier.verify()
  const sas = await shown
  await sas.confirm()
  await verified
  underWay.delete(verifier)
  return sas.sas.emoji
}

/** Alice, whose keys can be recovered by whoever has her secret storage's key, and Bob. */
async function twoWithRecovery(household: Household) {
  const recovery: { key?: GeneratedSecretStorageKey } = {}
  const secretStorageKey = (): Uint8Array<ArrayBuffer> | undefined => recovery.key?.privateKey
  const alice = await household.register('alice', { secretStorageKey })
  const bob = await household.register('bob')
  await bootstrap(alice, 'alice', recovery)
  return { alice, bob, secretStorageKey }
}
