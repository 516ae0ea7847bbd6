import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'
import { FilteredView, type ViewKind } from './filtered-view.test-support.ts'

const people = ['alice', 'bob', 'carol'] as const
const who = fc.nat({ max: people.length - 1 })
const back = fc.nat({ max: 5 })
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('say' as const), who, mentions: who, thread: fc.option(back) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('redact' as const, 'react' as const), who, target: back }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      who,
      target: back,
      type: fc.constantFrom('m.read', 'm.read.private'),
      threaded: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constant('ignore' as const), who, whom: fc.option(who) }),
  fc.record({ kind: fc.constantFrom('leave' as const, 'join' as const, 'name' as const), who }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const), who }) },
  fc.record({ kind: fc.constant('restart' as const) }),
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

const kind: fc.Arbitrary<ViewKind> = fc.record({
  stateName: fc.constantFrom('state', 'state_after'),
  limit: fc.constantFrom(1, 2, 5, 100),
  types: fc.constantFrom(undefined, ['m.room.message'], ['m.room.m*', 'm.reaction']),
  lazy: fc.boolean(),
})

interface Said {
  readonly eventId: string
  readonly sender: number
  readonly thread: string
  readonly notifies: boolean
  readonly mentions: number | undefined
  redacted: boolean
}

/** One room and all that was said in it, as the people at their table remember it. */
class Story {
  readonly #node: TestNode
  readonly #users: readonly TestUser[]
  readonly #roomId: string
  readonly #said: Said[] = []
  readonly #joinedAt: (number | undefined)[] = [0, 0, 0]
  readonly #ignored: (number | null)[] = [null, null, null]
  /** By person: thread, or '' for all of them → how much was read. */
  readonly #read = people.map(() => new Map<string, number>())
  #count = 0

  constructor(node: TestNode, users: readonly TestUser[], roomId: string) {
    this.#node = node
    this.#users = users
    this.#roomId = roomId
  }

  async perform(step: Exclude<Action, { kind: 'sync' }>): Promise<void> {
    if (step.kind === 'restart') return this.#node.restart()
    const user = this.#users[step.who]!
    if (step.kind === 'ignore') {
      const whom = step.whom === null || step.whom === step.who ? null : step.whom
      const ignored = whom === null ? {} : { [this.#users[whom]!.userId]: {} }
      await user.ok('PUT', `/user/${user.userId}/account_data/m.ignored_user_list`, { ignored_users: ignored })
      this.#ignored[step.who] = whom
    } else if (step.kind === 'leave' || step.kind === 'join') await this.#moveAbout(step.who, step.kind)
    else if (this.#joinedAt[step.who] !== undefined) await this.#speak(step, user)
  }

  /** What the specification has a client told, counted anew from everything that was ever said. */
  expectedCounts(person: number): { main: [number, number]; threads: Record<string, [number, number]> } {
    const counts = new Map<string, [number, number]>([['main', [0, 0]]])
    for (const [index, { sender, thread, notifies, mentions, redacted }] of this.#said.entries()) {
      if (!notifies || redacted || sender === person || sender === this.#ignored[person] || index < this.#joinedAt[person]!) continue
      const read = this.#read[person]!
      if (index <= Math.max(read.get('') ?? -1, read.get(thread) ?? -1)) continue
      const [notified, highlighted] = counts.get(thread) ?? [0, 0]
      counts.set(thread, [notified + 1, highlighted + (mentions === person ? 1 : 0)])
    }
    const main = counts.get('main')!
    counts.delete('main')
    return { main, threads: Object.fromEntries(counts) }
  }

  isInside(person: number): boolean {
    return this.#joinedAt[person] !== undefined
  }

  async #moveAbout(person: number, kind: 'leave' | 'join'): Promise<void> {
    const { status } = await this.#users[person]!.call('POST', `/rooms/${encodeURIComponent(this.#roomId)}/${kind}`, {})
    if (status !== 200 || (kind === 'join') === this.isInside(person)) return
    this.#joinedAt[person] = kind === 'join' ? this.#said.length : undefined
  }

  async #speak(step: Extract<Action, { who: number }>, user: TestUser): Promise<void> {
    const path = `/rooms/${encodeURIComponent(this.#roomId)}`
    const target = 'target' in step ? this.#said.at(-1 - step.target) : undefined
    const name = `t${this.#count++}`
    if (step.kind === 'say') {
      const roots = this.#said.filter(({ thread, notifies }) => thread === 'main' && notifies)
      const root = step.thread === null ? undefined : roots.at(-1 - step.thread)?.eventId
      const mentions = { 'm.mentions': { user_ids: [this.#users[step.mentions]!.userId] } }
      const relation = root === undefined ? {} : { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
      const content = { msgtype: 'm.text', body: name, ...mentions, ...relation }
      const { event_id: eventId } = await user.ok('PUT', `${path}/send/m.room.message/${name}`, content)
      this.#note(step.who, { eventId, thread: root ?? 'main', notifies: true, mentions: step.mentions })
    } else if (step.kind === 'name') {
      const { event_id: eventId } = await user.ok('PUT', `${path}/state/m.room.name/`, { name })
      this.#note(step.who, { eventId, thread: 'main', notifies: false, mentions: undefined })
      // To messages only: of a reaction to a reaction to a reaction servers need not find the thread.
    } else if (step.kind === 'react' && target?.notifies === true && !target.redacted) {
      const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: target.eventId, key: name } }
      const { event_id: eventId } = await user.ok('PUT', `${path}/send/m.reaction/${name}`, content)
      this.#note(step.who, { eventId, thread: target.thread, notifies: false, mentions: undefined })
    } else if (step.kind === 'redact' && target?.notifies === true && !target.redacted) {
      // What was taken back before the server looked at it does not say what its sender has read.
      await user.sync()
      const { status, body } = await user.call('PUT', `${path}/redact/${target.eventId}/${name}`, {})
      if (status !== 200) return
      target.redacted = true
      this.#note(step.who, { eventId: body.event_id, thread: 'main', notifies: false, mentions: undefined })
    } else if (step.kind === 'read' && target !== undefined && !target.redacted) await this.#readUpTo(step, target, user)
  }

  async #readUpTo(step: Extract<Action, { kind: 'read' }>, target: Said, user: TestUser): Promise<void> {
    const body = step.threaded ? { thread_id: target.thread } : {}
    await user.ok('POST', `/rooms/${encodeURIComponent(this.#roomId)}/receipt/${step.type}/${target.eventId}`, body)
    this.#advance(step.who, step.threaded ? target.thread : '', this.#said.indexOf(target))
  }

  /** Whoever says something has read what stands above it. */
  #note(sender: number, said: Omit<Said, 'sender' | 'redacted'>): void {
    this.#said.push({ ...said, sender, redacted: false })
    this.#advance(sender, said.thread, this.#said.length - 1)
  }

  #advance(person: number, thread: string, index: number): void {
    const read = this.#read[person]!
    read.set(thread, Math.max(read.get(thread) ?? -1, index))
  }
}

/** Whose private receipts an answer tells. */
function privateReaders(answer: Json): string[] {
  const events = Object.values<Json>(answer.rooms.join).flatMap((section) => section.ephemeral.events)
  const byEvent = events.flatMap(({ type, content }) => (type === 'm.receipt' ? Object.values<Json>(content) : []))
  return byEvent.flatMap((types) => Object.keys(types['m.read.private'] ?? {}))
}

async function countsOf(user: TestUser, roomId: string): Promise<Json> {
  const filter = JSON.stringify({ room: { timeline: { limit: 0, unread_thread_notifications: true } } })
  const section = (await user.sync(undefined, { filter })).rooms.join[roomId]
  const pair = (counts: Json) => [counts.notification_count, counts.highlight_count]
  const threads = Object.entries<Json>(section.unread_thread_notifications ?? {})
  return { main: pair(section.unread_notifications), threads: Object.fromEntries(threads.map(([root, counts]) => [root, pair(counts)])) }
}

test(
  'under any filter, what a client builds of increments and pages is what is there; counts are those of a recount',
  { timeout: 240_000 },
  async () => {
    let counted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 15, maxLength: 60 }),
        fc.array(kind, { minLength: 2, maxLength: 4 }),
        async (steps, kinds) => {
          await using node = await TestNode.start()
          const users: TestUser[] = []
          for (const name of people) users.push(await node.register(name))
          const roomId = await users[0]!.createRoom({
            preset: 'public_chat',
            power_level_content_override: { events: {}, state_default: 0 },
          })
          for (const user of users.slice(1)) await user.ok('POST', `/join/${encodeURIComponent(roomId)}`)
          const story = new Story(node, users, roomId)
          // Those who are ignored are left out of timelines, so the views are of one who ignores nobody.
          const watcher = await node.register('watcher')
          await watcher.ok('POST', `/join/${encodeURIComponent(roomId)}`)
          const views = kinds.map((wanted) => new FilteredView(watcher, wanted))
          const tokens: (string | undefined)[] = [undefined, undefined, undefined]
          const leaked: string[] = []
          for (const step of steps) {
            if (step.kind !== 'sync') await story.perform(step)
            else {
              for (const view of views) leaked.push(...privateReaders(await view.sync()))
              const answer = await users[step.who]!.sync(tokens[step.who])
              tokens[step.who] = answer.next_batch
              leaked.push(...privateReaders(answer).filter((name) => name !== users[step.who]!.userId))
            }
          }
          expect(leaked).toEqual([])
          for (const view of views) expect(await view.known()).toEqual(await view.actual())
          for (const [person, user] of users.entries()) {
            if (!story.isInside(person)) continue
            const expected = story.expectedCounts(person)
            expect(await countsOf(user, roomId)).toEqual(expected)
            counted += expected.main[0] + Object.keys(expected.threads).length
          }
        },
      ),
      { numRuns: 60 },
    )
    // Stories after which nothing is unread would prove nothing.
    expect(counted).toBeGreaterThan(50)
  },
)
