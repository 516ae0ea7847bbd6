import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

/** The specification's table for one user, over the room's events in their order, in which nothing ever branches. */
class PlainModel {
  readonly visible: string[] = []
  /** Of the state that the user may read; undefined: none. */
  readonly state: ReadonlySet<string> | undefined

  constructor(events: readonly Json[], userId: string) {
    const isOwn = (event: Json): boolean => event.type === 'm.room.member' && event.state_key === userId
    const memberships: (string | undefined)[] = [undefined]
    const visibilities: string[] = ['shared']
    for (const event of events) {
      memberships.push(isOwn(event) ? event.content.membership : memberships.at(-1))
      visibilities.push(event.type === 'm.room.history_visibility' ? known(event.content.history_visibility) : visibilities.at(-1)!)
    }
    const lastInside = memberships.lastIndexOf('join')
    const end = lastInside === -1 ? -1 : Math.min(lastInside, events.length - 1)
    for (const [index, event] of events.entries()) {
      const membership = isOwn(event) ? [memberships[index], memberships[index + 1]] : [memberships[index]]
      const visibility = [visibilities[index], visibilities[index + 1]]
      const joinedLater = memberships.slice(index + 1).includes('join')
      const allowed =
        visibility.includes('world_readable') ||
        (index <= end &&
          (membership.includes('join') ||
            (visibility.includes('shared') && joinedLater) ||
            (visibility.includes('invited') && membership.includes('invite'))))
      if (allowed) this.visible.push(event.event_id)
    }
    const readsNow = visibilities.at(-1) === 'world_readable' || memberships.at(-1) === 'join'
    if (!readsNow && end === -1) return
    const state = new Map<string, string>()
    for (const event of readsNow ? events : events.slice(0, end + 1))
      if (event.state_key !== undefined) state.set(`${event.type} ${event.state_key}`, event.event_id)
    this.state = new Set(state.values())
  }
}

function known(visibility: unknown): string {
  return ['world_readable', 'invited', 'joined'].includes(visibility as string) ? (visibility as string) : 'shared'
}

const target = fc.constantFrom('bob' as const, 'carol' as const)
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('say' as const, 'answer' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('visibility' as const),
      value: fc.constantFrom('world_readable', 'shared', 'invited', 'joined', 'nonsense'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('join' as const, 'join' as const, 'leave' as const, 'knock' as const, 'rename' as const, 'sync' as const),
      who: target,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('invite' as const, 'kick' as const, 'ban' as const, 'unban' as const), who: target }),
  },
)

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

class Story {
  readonly node: TestNode
  readonly alice: TestUser
  readonly others: Readonly<Record<'bob' | 'carol', TestUser>>
  readonly seenInSync = new Map<TestUser, Set<string>>()
  readonly #since = new Map<TestUser, string>()
  #path = ''
  roomId = ''
  #first = ''
  #count = 0

  constructor(node: TestNode, alice: TestUser, others: Readonly<Record<'bob' | 'carol', TestUser>>) {
    this.node = node
    this.alice = alice
    this.others = others
  }

  get path(): string {
    return this.#path
  }

  get first(): string {
    return this.#first
  }

  async begin(): Promise<void> {
    this.roomId = await this.alice.createRoom({ preset: 'public_chat' })
    this.#path = `/rooms/${encodeURIComponent(this.roomId)}`
    this.#first = await this.alice.say(this.roomId, 'first')
  }

  async perform(step: Action): Promise<void> {
    this.#count++
    if (step.kind === 'say') await this.alice.say(this.roomId, `${this.#count}`)
    else if (step.kind === 'answer') {
      const relation = { rel_type: 'm.thread', event_id: this.#first }
      await this.alice.ok('PUT', `${this.#path}/send/m.room.message/a${this.#count}`, { body: 'answer', 'm.relates_to': relation })
    } else if (step.kind === 'visibility') {
      await this.alice.ok('PUT', `${this.#path}/state/m.room.history_visibility`, { history_visibility: step.value })
    } else if ('who' in step) {
      const other = this.others[step.who]
      if (step.kind === 'sync') await this.sync(other)
      else if (step.kind === 'rename') {
        const content = { membership: 'join', displayname: `${this.#count}` }
        // Whether the rules allow what follows is no matter here.
        await other.call('PUT', `${this.#path}/state/m.room.member/${other.userId}`, content)
      } else if (step.kind === 'knock') await other.call('POST', `/knock/${encodeURIComponent(this.roomId)}`, {})
      else if (step.kind === 'join' || step.kind === 'leave') await other.call('POST', `${this.#path}/${step.kind}`, {})
      else await this.alice.call('POST', `${this.#path}/${step.kind}`, { user_id: other.userId })
    }
  }

  async sync(user: TestUser): Promise<void> {
    const answer = await user.sync(this.#since.get(user))
    this.#since.set(user, answer.next_batch)
    const seen = this.seenInSync.getOrInsertComputed(user, () => new Set())
    for (const section of [answer.rooms.join[this.roomId], answer.rooms.leave[this.roomId]])
      for (const event of section?.timeline.events ?? []) if (!isMembershipOf(event, user)) seen.add(event.event_id)
  }
}

/** Users are told of their own membership, wherever they stand. */
function isMembershipOf(event: Json, user: TestUser): boolean {
  return event.type === 'm.room.member' && event.state_key === user.userId
}

async function pages(user: TestUser, path: string, direction: 'b' | 'f'): Promise<string[]> {
  const found: string[] = []
  let from: string | undefined
  for (;;) {
    const query = `dir=${direction}&limit=3${from === undefined ? '' : `&from=${from}`}`
    const reply = await user.call('GET', `${path}/messages?${query}`)
    if (reply.status === 403) return []
    expect(reply.status).toBe(200)
    found.push(...reply.body.chunk.map((event: Json) => event.event_id))
    from = reply.body.end
    if (from === undefined) return found
  }
}

/** Undefined when the user is refused. */
async function idsOf(user: TestUser, path: string, eventsOf: (body: Json) => readonly Json[]): Promise<string[] | undefined> {
  const { status, body } = await user.call('GET', path)
  if (status >= 500) throw new Error(`${path} failed`)
  return status === 200 ? eventsOf(body).map((event: Json) => event.event_id) : undefined
}

async function expectModel(story: Story, user: TestUser, events: readonly Json[]): Promise<PlainModel> {
  const { path } = story
  const model = new PlainModel(events, user.userId)
  // Who was never inside and finds the room closed by now is not let in at all.
  const visible = model.state === undefined ? [] : model.visible
  expect(await pages(user, path, 'f')).toEqual(visible)
  const backwards = await pages(user, path, 'b')
  // Who left looks back from there; what the world could read afterwards is found by looking forward.
  expect(visible.toReversed().slice(visible.length - backwards.length)).toEqual(backwards)
  for (const { event_id: eventId } of events) {
    const reply = await user.call('GET', `${path}/event/${eventId}`)
    expect(reply.status === 200).toBe(visible.includes(eventId))
  }
  const context = await user.call('GET', `${path}/context/${visible.at(-1) ?? story.first}?limit=100`)
  const around = context.status === 200 ? [...context.body.events_before, ...context.body.events_after] : []
  expect(visible).toEqual(expect.arrayContaining(around.map((event: Json) => event.event_id)))
  const relations = await idsOf(user, `/_matrix/client/v1${path}/relations/${story.first}?dir=f`, (body) => body.chunk)
  const answers = events.filter((event) => event.content['m.relates_to'] !== undefined && visible.includes(event.event_id))
  expect(relations).toEqual(visible.includes(story.first) ? answers.map((event) => event.event_id) : undefined)
  const state = await idsOf(user, `${path}/state`, (body) => body)
  expect(state === undefined ? undefined : new Set(state)).toEqual(model.state)
  return model
}

test(
  'what a user reads of a room is what the table of the specification allows, in every way of reading',
  { timeout: 120_000 },
  async () => {
    let hidden = 0
    let shown = 0
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
        await using node = await TestNode.start()
        const alice = await node.register('alice')
        const story = new Story(node, alice, { bob: await node.register('bob'), carol: await node.register('carol') })
        await story.begin()
        const { bob, carol } = story.others
        for (const step of steps) {
          const seenThen = new Map([bob, carol].map((user) => [user, new Set(story.seenInSync.get(user))]))
          await story.perform(step)
          if (step.kind !== 'sync') continue
          const user = story.others[step.who]
          const { chunk } = await alice.ok('GET', `${story.path}/messages?dir=f&limit=1000`)
          const allowed = new PlainModel(chunk, user.userId).visible
          const fresh = [...(story.seenInSync.get(user) ?? [])].filter((eventId) => seenThen.get(user)?.has(eventId) !== true)
          expect(allowed).toEqual(expect.arrayContaining(fresh))
        }
        const { chunk } = await alice.ok('GET', `${story.path}/messages?dir=f&limit=1000`)
        for (const user of [bob, carol]) {
          const model = await expectModel(story, user, chunk)
          shown += model.visible.length
          hidden += chunk.length - model.visible.length
        }
      }),
      { numRuns: 60 },
    )
    // Otherwise the stories showed nothing.
    expect(Math.min(hidden, shown)).toBeGreaterThan(200)
  },
)
