import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

type StateName = 'state' | 'state_after'

/** What a client knows that has only ever synced. */
class ClientView {
  readonly user: TestUser
  readonly stateName: StateName
  readonly limit: number
  readonly joined = new Map<string, { state: Map<string, string>; timeline: string[] }>()
  readonly invited = new Set<string>()
  since: string | undefined

  constructor(user: TestUser, stateName: StateName, limit: number) {
    this.user = user
    this.stateName = stateName
    this.limit = limit
  }

  async sync(): Promise<void> {
    const filter = JSON.stringify({ room: { timeline: { limit: this.limit } } })
    const answer = await this.user.sync(this.since, { filter, use_state_after: String(this.stateName === 'state_after') })
    this.since = answer.next_batch
    for (const [roomId, section] of Object.entries<Json>(answer.rooms.join)) this.#apply(roomId, section)
    for (const roomId of Object.keys(answer.rooms.invite)) this.invited.add(roomId)
    for (const roomId of Object.keys(answer.rooms.leave)) {
      this.invited.delete(roomId)
      this.joined.delete(roomId)
    }
  }

  #apply(roomId: string, section: Json): void {
    this.invited.delete(roomId)
    const room = this.joined.get(roomId) ?? { state: new Map<string, string>(), timeline: [] }
    this.joined.set(roomId, room)
    const events = section.timeline.events
    for (const event of [...section[this.stateName].events, ...(this.stateName === 'state' ? events : [])]) {
      if (event.state_key !== undefined) room.state.set(`${event.type} ${event.state_key}`, event.event_id)
    }
    // A gap: a client would page back from here; this one only remembers what it has seen.
    room.timeline.push(...events.map((event: Json) => event.event_id))
  }
}

const people = ['alice', 'bob', 'carol'] as const
const person = fc.nat({ max: people.length - 1 })
const room = fc.nat({ max: 2 })
const action = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), who: person, preset: fc.constantFrom('private_chat', 'public_chat') }),
  fc.record({ kind: fc.constantFrom('join' as const, 'leave' as const), who: person, room }),
  fc.record({
    kind: fc.constantFrom('invite' as const, 'kick' as const, 'ban' as const, 'unban' as const),
    who: person,
    room,
    target: person,
  }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('say' as const), who: person, room }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('name' as const), who: person, room }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const), who: person }) },
  fc.record({ kind: fc.constant('restart' as const) }),
)

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

class Story {
  readonly node: TestNode
  readonly users: readonly TestUser[]
  readonly views: readonly ClientView[]
  readonly rooms: string[] = []
  #count = 0

  constructor(node: TestNode, users: readonly TestUser[], views: readonly ClientView[]) {
    this.node = node
    this.users = users
    this.views = views
  }

  async perform(step: Action): Promise<void> {
    if (step.kind === 'restart') return this.node.restart()
    const user = this.users[step.who]!
    if (step.kind === 'sync') {
      for (const view of this.views.filter((candidate) => candidate.user === user)) await view.sync()
      return
    }
    if (step.kind === 'create') {
      if (this.rooms.length < 3) this.rooms.push(await user.createRoom({ preset: step.preset }))
      return
    }
    const roomId = this.rooms[step.room]
    if (roomId === undefined) return
    const path = `/rooms/${encodeURIComponent(roomId)}`
    this.#count++
    // Whether the rules allow it is no matter here.
    if (step.kind === 'say') await user.call('PUT', `${path}/send/m.room.message/t${this.#count}`, { body: `${this.#count}` })
    else if (step.kind === 'name') await user.call('PUT', `${path}/state/m.room.name/`, { name: `${this.#count}` })
    else if ('target' in step) await user.call('POST', `${path}/${step.kind}`, { user_id: this.users[step.target]!.userId })
    else await user.call('POST', `${path}/${step.kind}`, {})
  }
}

async function expectTrue(view: ClientView): Promise<void> {
  const { user } = view
  const { joined_rooms: joined } = await user.ok('GET', '/joined_rooms')
  expect([...view.joined.keys()].sort()).toEqual(joined.toSorted())
  for (const [roomId, known] of view.joined) {
    const state = await user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
    const expected = state.map((event: Json) => [`${event.type} ${event.state_key}`, event.event_id] as const)
    expect(known.state).toEqual(new Map(expected))
    expect(new Set(known.timeline).size).toBe(known.timeline.length)
    const { chunk } = await user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=f&limit=1000`)
    const order = chunk.map((event: Json) => event.event_id)
    expect(known.timeline.map((eventId) => order.indexOf(eventId))).not.toContain(-1)
    expect(known.timeline.map((eventId) => order.indexOf(eventId)).toSorted((a, b) => a - b)).toEqual(
      known.timeline.map((eventId) => order.indexOf(eventId)),
    )
    expect(known.timeline.length).toBeGreaterThan(0)
  }
}

test('whatever local users do, what each of their clients built from syncs is what the server holds', { timeout: 120_000 }, async () => {
  let joins = 0
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (steps) => {
      await using node = await TestNode.start()
      const users: TestUser[] = []
      for (const name of people) users.push(await node.register(name))
      const views = users.flatMap((user) => [
        new ClientView(user, 'state_after', 100),
        new ClientView(user, 'state', 100),
        new ClientView(user, 'state_after', 2),
        new ClientView(user, 'state', 2),
      ])
      const story = new Story(node, users, views)
      for (const step of steps) await story.perform(step)
      for (const view of views) {
        await view.sync()
        await expectTrue(view)
        joins += view.joined.size
      }
    }),
    { numRuns: 60 },
  )
  // Stories in which nobody is anywhere would prove nothing.
  expect(joins).toBeGreaterThan(100)
})
