import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'
import { SlidingClient } from './sliding/sliding-client.test-support.ts'

type Names = ReadonlySet<string>

/** Whose devices a client follows that does what its syncs say. */
class Follower {
  readonly followed: Set<string>

  constructor(followed: Names) {
    this.followed = new Set(followed)
  }

  hear({ changed = [], left = [] }: Json = {}): void {
    for (const userId of changed) this.followed.add(userId)
    for (const userId of left) this.followed.delete(userId)
  }
}

async function sharing(user: TestUser, others: readonly TestUser[]): Promise<Set<string>> {
  const shared = new Set([user.userId])
  for (const other of others) {
    const rooms = async (of: TestUser): Promise<Names> => new Set((await of.ok('GET', '/joined_rooms')).joined_rooms)
    if ((await rooms(user)).intersection(await rooms(other)).size > 0) shared.add(other.userId)
  }
  return shared
}

const who = fc.nat({ max: 3 })
const room = fc.nat({ max: 2 })
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), who, room }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('join' as const), who, room }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('say' as const), who, room }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, room }) },
)

/** Three rooms in which people come and go; the reader, who does so too, syncs now and then in three ways. */
async function followersAfter(story: readonly { kind: 'join' | 'leave' | 'say' | 'sync'; who: number; room: number }[]) {
  await using node = await TestNode.start()
  const host = await node.register('host')
  const people: TestUser[] = []
  for (const name of ['reader', 'bob', 'carol', 'dora']) people.push(await node.register(name))
  const [reader, ...others] = people as [TestUser, ...TestUser[]]
  const rooms: string[] = []
  for (let index = 0; index < 3; index++) rooms.push(await host.createRoom({ preset: 'public_chat' }))
  const path = (index: number): string => `/rooms/${encodeURIComponent(rooms[index]!)}`
  for (const person of people) await person.call('POST', `${path(0)}/join`, {})

  const client = new SlidingClient(reader)
  const body = { extensions: { e2ee: { enabled: true } } }
  await client.sync(body)
  const first = await reader.sync()
  let since: string = first.next_batch
  const atFirst = await sharing(reader, [host, ...others])
  const [classic, sliding, asking] = [new Follower(atFirst), new Follower(atFirst), new Follower(atFirst)]
  const sync = async (): Promise<void> => {
    const answer = await reader.sync(since)
    classic.hear(answer.device_lists)
    asking.hear(await reader.ok('GET', `/keys/changes?from=${since}&to=${answer.next_batch}`))
    sliding.hear((await client.sync(body)).extensions.e2ee.device_lists)
    since = answer.next_batch
  }
  for (const step of story) {
    const person = people[step.who]!
    if (step.kind === 'sync') await sync()
    else if (step.kind === 'say') await host.say(rooms[step.room]!, 'something')
    else await person.call('POST', `${path(step.room)}/${step.kind}`, {})
  }
  await sync()
  const truth = await sharing(reader, [host, ...others])
  const shown = (names: Names): string[] => [...names, reader.userId].filter((name, index, all) => all.indexOf(name) === index).toSorted()
  return { classic: shown(classic.followed), sliding: shown(sliding.followed), asking: shown(asking.followed), truth: shown(truth) }
}

test('who does what the syncs say follows exactly those with whom a room is shared', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 14 }), async (story) => {
      const { truth, ...followers } = await followersAfter(story)
      expect(followers).toEqual({ classic: truth, sliding: truth, asking: truth })
    }),
    { numRuns: 25 },
  )
})

test.each([
  ['before', [1, 0]],
  ['after', [0, 1]],
] as const)('who left %s the reader did is no longer followed', async (_name, order) => {
  const story = order.map((index) => ({ kind: 'leave' as const, who: index, room: 0 }))
  const { truth, ...followers } = await followersAfter(story)
  expect(truth).toHaveLength(1)
  expect(followers).toEqual({ classic: truth, sliding: truth, asking: truth })
})
