import { VirtualClock } from '@kith/testkit/virtual-clock'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import { RateLimit } from './rate-limit.ts'
import { TestNode } from './test-node.test-support.ts'

/** How long there is to wait for one; 0 when it was there and was taken. */
function take(limit: RateLimit, key?: string): number {
  try {
    limit.take(key)
    return 0
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_LIMIT_EXCEEDED') return Number(error.members['retry_after_ms'])
    throw error
  }
}

test('it gives what a bucket gives that is filled one by one, and says exactly when the next comes', async () => {
  const rate = fc.record({ burst: fc.integer({ min: 1, max: 5 }), returnMs: fc.integer({ min: 1, max: 50 }) })
  await fc.assert(
    fc.asyncProperty(rate, fc.array(fc.nat(80), { maxLength: 60 }), async ({ burst, returnMs }, waits) => {
      const clock = new VirtualClock()
      const limit = new RateLimit(clock, { burst, returnMs })
      // A bucket with as many places; each says when it is there again.
      const places = Array.from({ length: burst }, () => clock.now())
      for (const wait of waits) {
        await clock.advance(wait)
        const earliest = Math.min(...places)
        const expected = Math.max(0, earliest - clock.now())
        expect(take(limit)).toBe(expected)
        if (expected > 0) continue
        // What was taken comes back after all that is still on its way.
        const onItsWay = Math.max(clock.now(), ...places)
        places[places.indexOf(earliest)] = onItsWay + returnMs
      }
    }),
  )
})

test('keys do not share, and are forgotten when they are full again', async () => {
  const clock = new VirtualClock()
  const limit = new RateLimit(clock, { burst: 1, returnMs: 1_000 })
  expect(take(limit, 'a')).toBe(0)
  expect(take(limit, 'b')).toBe(0)
  expect(take(limit, 'a')).toBe(1_000)
  for (let count = 0; count < limits.implementation.rateKeysMax; count++) take(limit, `other ${count}`)
  // Too many to remember: the one used longest ago went.
  expect(take(limit, 'a')).toBe(0)
})

test('who must wait is told so in the header too', () => {
  const response = new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests', { retry_after_ms: 1_001 }).toResponse()
  expect(response.headers.get('retry-after')).toBe('2')
})

test('a program that runs wild is stopped, its user reads on, and no other user is', { timeout: 60_000 }, async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const change = async (user: typeof alice) => user.call('POST', '/account/3pid/unbind', {})
  const { burst, returnMs } = limits.implementation.changesPerUser
  for (let count = 0; count < burst; count++) await change(alice)
  expect(await change(alice)).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: returnMs } })
  expect(await alice.call('GET', '/account/whoami')).toMatchObject({ status: 200 })
  expect(await change(bob)).toMatchObject({ status: 400 })
  await node.world.clock.advance(returnMs)
  expect(await change(alice)).toMatchObject({ status: 400 })
})
