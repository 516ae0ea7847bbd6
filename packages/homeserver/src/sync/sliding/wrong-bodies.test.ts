import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TestNode } from '../../client-api/test-node.test-support.ts'
import { SlidingClient } from './sliding-client.test-support.ts'

/** Right in form where it is not anything at all. */
const or = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> => fc.oneof({ weight: 6, arbitrary: right }, fc.jsonValue())
const number = or(fc.oneof(fc.nat(5), fc.constantFrom(-1, 1.5, Number.MAX_SAFE_INTEGER, 1e300)))
const text = or(fc.constantFrom('', '*', '$ME', '$LAZY', 'm.room.member', 'all', '__proto__', 'constructor'))
const record = (members: Record<string, fc.Arbitrary<unknown>>) => fc.record(members, { requiredKeys: [] })

const requiredState = or(
  fc.oneof(
    fc.array(fc.tuple(text, text), { maxLength: 3 }),
    record({
      include: or(fc.array(record({ type: text, state_key: text }), { maxLength: 2 })),
      exclude: text,
      lazy_members: or(fc.boolean()),
    }),
  ),
)
const config = { timeline_limit: number, required_state: requiredState, include_heroes: or(fc.boolean()) }
const filters = record({
  is_dm: or(fc.boolean()),
  is_invite: or(fc.constant(null)),
  room_types: or(fc.array(or(fc.constant(null)), { maxLength: 2 })),
  tags: or(fc.array(text, { maxLength: 2 })),
  spaces: or(fc.array(text, { maxLength: 2 })),
})
const list = record({
  ...config,
  ranges: or(fc.array(fc.tuple(number, number), { maxLength: 3 })),
  range: or(fc.tuple(number, number)),
  filters: or(filters),
})
const scope = or(
  record({ enabled: or(fc.boolean()), lists: or(fc.array(text, { maxLength: 2 })), rooms: text, since: text, limit: number }),
)
const body = record({
  conn_id: text,
  pos: text,
  timeout: or(fc.constant(0)),
  lists: or(fc.dictionary(fc.constantFrom('all', '__proto__', 'other'), or(list), { maxKeys: 2 })),
  room_subscriptions: or(fc.dictionary(fc.constantFrom('!a:b', 'x', '__proto__'), or(record(config)), { maxKeys: 2 })),
  extensions: or(record({ to_device: scope, e2ee: scope, account_data: scope, receipts: scope, typing: scope, other: scope })),
})

test('bodies that were sent before get answers and Matrix errors', async () => {
  expect(await statusesOf({ seed: 4186, numRuns: 400 })).toEqual(new Set([200, 400]))
})

test('whatever a client sends, it gets an answer or a Matrix error', async () => {
  await statusesOf({ numRuns: 100 })
})

async function statusesOf(bodies: fc.Parameters<[unknown]>): Promise<ReadonlySet<number>> {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  await alice.createRoom({ name: 'named' })
  const statuses = new Set<number>()
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const { status, body: answer } = await new SlidingClient(alice).call(sent)
      statuses.add(status)
      expect(['200 undefined', '400 M_BAD_JSON', '400 M_UNKNOWN_POS']).toContain(`${status} ${answer.errcode}`)
    }),
    bodies,
  )
  return statuses
}
