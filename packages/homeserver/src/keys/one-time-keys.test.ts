import { makeUserId } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WriteBatch } from '../ports/storage.ts'
import { OneTimeKeys } from './one-time-keys.ts'

const alice = makeUserId('alice', new SimulatedWorld(1).createIdentity().server)
const deviceIds = ['FIRST', 'SECOND']
const algorithm = 'signed_curve25519'

type Step =
  | { readonly kind: 'upload' | 'fallback'; readonly device: string; readonly key: number }
  | { readonly kind: 'claim' | 'remove'; readonly device: string; readonly key?: undefined }

const device = fc.constantFrom(...deviceIds)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('upload' as const, 'fallback' as const), device, key: fc.nat(9) }),
  fc.record({ kind: fc.constantFrom('claim' as const, 'remove' as const), device }),
)

async function perform(keys: OneTimeKeys, storage: ReturnType<typeof openMemoryStorage>, taken: Step): Promise<void> {
  if (taken.kind === 'claim') await keys.claim(alice, taken.device, algorithm)
  else if (taken.kind === 'remove') {
    const batch = new WriteBatch()
    await keys.removeDevice(alice, taken.device, batch)
    await storage.commit(batch.writes)
    await keys.deviceRemoved(alice, taken.device)
  } else {
    const key = new Map([[`${algorithm}:${taken.key}`, { key: `of ${taken.key}` }]])
    const none = new Map<string, never>()
    await (taken.kind === 'upload' ? keys.upload(alice, taken.device, key, none) : keys.upload(alice, taken.device, none, key))
  }
}

test('what is told of the keys left is what is stored, whatever is done with them and whoever asks meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const storage = openMemoryStorage()
      const keys = new OneTimeKeys(storage)
      const told = async (from: OneTimeKeys): Promise<unknown> =>
        Promise.all(deviceIds.map(async (deviceId) => from.counts(alice, deviceId)))
      for (const taken of steps) {
        await Promise.all([told(keys), perform(keys, storage, taken), told(keys)])
        expect(await told(keys)).toEqual(await told(new OneTimeKeys(storage)))
      }
    }),
  )
})
