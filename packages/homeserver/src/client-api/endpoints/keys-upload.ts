import { CanonicalJsonError, decodeBase64, type JsonObject, ownObject, ownString, signingBytes, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import type { CrossSigningUsage } from '../../keys/tables.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { userIdFrom } from '../parameters.ts'
import { authSchema, canonicalObjectSchema, mapSchema, textSchema } from '../schemas.ts'

const { keyObjectBytesMax, oneTimeKeysPerDeviceMax, signedPerRequestMax } = limits.implementation

const keyObjectSchema = v.pipe(
  canonicalObjectSchema,
  v.check((key) => JSON.stringify(key).length <= keyObjectBytesMax, 'too large'),
)

export const namedKeySchema = v.pipe(
  mapSchema(v.union([keyObjectSchema, textSchema]), oneTimeKeysPerDeviceMax),
  v.check((entries) => entries.every(([name]) => /^[^:]{1,100}:.{1,255}$/.test(name)), 'names of keys are algorithm:id'),
)

const signaturesShape = v.record(v.string(), v.record(v.string(), v.string()))
/** Shapes check and take nothing: what is stored is what was signed. */
const deviceKeysShape = v.looseObject({
  user_id: v.string(),
  device_id: v.string(),
  algorithms: v.array(v.string()),
  keys: v.record(v.string(), v.string()),
  signatures: signaturesShape,
})
const crossSigningKeyShape = v.looseObject({
  user_id: v.string(),
  usage: v.array(v.string()),
  keys: v.record(v.string(), v.string()),
  signatures: v.optional(signaturesShape),
})
const crossSigningKeySchema = v.pipe(
  keyObjectSchema,
  v.check((key) => v.is(crossSigningKeyShape, key), 'not a cross-signing key'),
)

export const deviceKeysSchema = v.pipe(
  keyObjectSchema,
  v.check((keys) => v.is(deviceKeysShape, keys), 'not the keys of a device'),
)

const uploadSchema = v.looseObject({
  device_keys: v.optional(deviceKeysSchema),
  one_time_keys: v.optional(namedKeySchema, {}),
  fallback_keys: v.optional(namedKeySchema, {}),
})

const crossSigningSchema = v.looseObject({
  auth: authSchema,
  master_key: v.optional(crossSigningKeySchema),
  self_signing_key: v.optional(crossSigningKeySchema),
  user_signing_key: v.optional(crossSigningKeySchema),
})

export const keysUploadEndpoints = [
  endpoint({
    method: 'POST',
    path: '/keys/upload',
    body: uploadSchema,
    async handle(api, { session, body }) {
      if (session.deviceId === '') throw new MatrixError(400, 'M_MISSING_PARAM', 'Keys belong to a device, and device_id names none')
      if (body.device_keys !== undefined) await uploadDeviceKeys(api, session, body.device_keys)
      const outcome = await api.keys.oneTime.upload(
        session.userId,
        session.deviceId,
        toKeys(body.one_time_keys),
        toKeys(body.fallback_keys),
      )
      if (outcome.kind === 'conflict') throw new MatrixError(400, 'M_UNKNOWN', `One time key ${outcome.keyId.slice(0, 300)} already exists`)
      if (outcome.kind === 'too-many') throw new MatrixError(400, 'M_UNKNOWN', 'There are too many one-time keys')
      const counts = await api.keys.oneTime.counts(session.userId, session.deviceId)
      return { one_time_key_counts: counts.oneTime }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/keys/device_signing/upload',
    versions: ['r0', 'v3', 'unstable'],
    body: crossSigningSchema,
    async handle(api, { session, body, caller }) {
      const { userId } = session
      // One after the other, so that of two first uploads one is the second.
      await api.devices.serially(userId, async () => {
        const uploaded = await newCrossSigningKeys(api, userId, body)
        if (Object.keys(uploaded).length === 0) return
        // The first keys need no further proof: there is nothing yet that somebody else could replace.
        // Nor do those of an application service, which has no password to give.
        if (session.appServiceId === undefined && (await api.keys.crossSigningKey(userId, 'master')) !== undefined)
          api.interactiveAuth.require(body.auth, { purpose: 'cross-signing', stages: ['m.login.password'], userId }, caller)
        await api.keys.uploadCrossSigning(userId, uploaded)
      })
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/keys/signatures/upload',
    versions: ['r0', 'v3', 'unstable'],
    body: mapSchema(mapSchema(keyObjectSchema, signedPerRequestMax), signedPerRequestMax),
    async handle(api, { session, body }) {
      const failures = new Map<string, object>()
      for (const [target, keys] of body) {
        const failed = await uploadSignatures(api, session, target, keys)
        if (failed.size > 0) failures.set(target, Object.fromEntries(failed))
      }
      return { failures: Object.fromEntries(failures) }
    },
  }),
]

async function uploadDeviceKeys(api: Api, session: Session, keys: JsonObject): Promise<void> {
  if (keys['user_id'] !== session.userId || keys['device_id'] !== session.deviceId) {
    throw new MatrixError(400, 'M_INVALID_PARAM', 'These are the keys of another device')
  }
  if (ownObject(keys, 'keys') === undefined) throw new MatrixError(400, 'M_BAD_JSON', 'There are no keys in device_keys')
  await api.keys.uploadDeviceKeys(session.userId, session.deviceId, keys)
}

/** Unsigned keys are plain text in the oldest algorithm; stored like the others. */
export function toKeys(entries: readonly (readonly [string, JsonObject | string])[]): ReadonlyMap<string, JsonObject> {
  return new Map(entries.map(([name, key]) => [name, typeof key === 'string' ? { key } : key]))
}

type CrossSigningBody = v.InferOutput<typeof crossSigningSchema>

/** Those that differ from what is stored. @throws MatrixError for keys that are not this user's or not signed by the master key. */
async function newCrossSigningKeys(
  api: Api,
  userId: UserId,
  body: CrossSigningBody,
): Promise<Partial<Record<CrossSigningUsage, JsonObject>>> {
  const given: readonly (readonly [CrossSigningUsage, JsonObject | undefined])[] = [
    ['master', body.master_key],
    ['self_signing', body.self_signing_key],
    ['user_signing', body.user_signing_key],
  ]
  const master = body.master_key ?? (await api.keys.crossSigningKey(userId, 'master'))
  const changed: Partial<Record<CrossSigningUsage, JsonObject>> = {}
  for (const [usage, key] of given) {
    if (key === undefined) continue
    const usages = key['usage']
    if (key['user_id'] !== userId || !Array.isArray(usages) || !usages.includes(usage) || publicKeyOf(key) === undefined) {
      throw new MatrixError(400, 'M_INVALID_PARAM', `This is no ${usage} key of this user`)
    }
    if (api.devices.get(userId, publicKeyOf(key) ?? '') !== undefined)
      throw new MatrixError(403, 'M_FORBIDDEN', `The ${usage} key has the id of a device`)
    if (master === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'There is no master key')
    if (usage !== 'master' && !(await isSignedByMaster(api, userId, master, key))) {
      throw new MatrixError(400, 'M_INVALID_SIGNATURE', `The ${usage} key is not signed by the master key`)
    }
    const stored = await api.keys.crossSigningKey(userId, usage)
    if (stored === undefined || publicKeyOf(stored) !== publicKeyOf(key)) changed[usage] = key
  }
  return changed
}

/** A cross-signing key has exactly one public key. */
function publicKeyOf(key: JsonObject): string | undefined {
  const entries = Object.entries(ownObject(key, 'keys') ?? {})
  const [name, publicKey] = entries[0] ?? []
  return entries.length === 1 && typeof publicKey === 'string' && name === `ed25519:${publicKey}` ? publicKey : undefined
}

async function isSignedByMaster(api: Api, userId: UserId, master: JsonObject, key: JsonObject): Promise<boolean> {
  const publicKey = publicKeyOf(master)
  const bytes = publicKey === undefined ? undefined : decodeBase64(publicKey)
  const signature = decodeBase64(ownString(ownObject(ownObject(key, 'signatures'), userId), `ed25519:${publicKey}`) ?? '')
  if (bytes === undefined || signature === undefined) return false
  try {
    return await api.ports.crypto.verify(bytes, signature, signingBytes(key))
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false
    throw error
  }
}

async function uploadSignatures(
  api: Api,
  session: Session,
  target: string,
  keys: readonly (readonly [string, JsonObject])[],
): Promise<Map<string, object>> {
  const failed = new Map<string, object>()
  const userId = userIdFrom(target)
  for (const [keyName, object] of keys) {
    const outcome = await api.keys.addSignatures(session.userId, userId, keyName, object)
    if (outcome === 'unknown-key') failed.set(keyName, { errcode: 'M_NOT_FOUND', error: 'There is no such key' })
    if (outcome === 'mismatch')
      failed.set(keyName, { errcode: 'M_INVALID_SIGNATURE', error: 'The signed object is another than the stored one' })
  }
  return failed
}
