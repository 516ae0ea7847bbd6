import * as fc from 'fast-check'
import { openMemoryStorage } from '@kith/storage/memory'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'
import type { AppServiceAnswer, AppServiceCall } from '../ports/index.ts'
import { roomsTables } from '../rooms/tables.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { timelineTables } from '../timeline/tables.ts'
import { callAs, FakeService, isTransaction, registerFor, registrationOf } from './service-node.test-support.ts'

const taken: AppServiceAnswer = { kind: 'answered', status: 200, body: {}, text: '{}' }
const ghosts = ['net_ann', 'net_ben']

type Step =
  | { readonly kind: 'say'; readonly room: number; readonly by: number }
  | { readonly kind: 'move'; readonly room: number; readonly ghost: number; readonly isIn: boolean }
  | { readonly kind: 'service'; readonly mood: 'well' | 'failing' | 'deaf' | 'slow' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' }
  /** From this many commits on nothing is stored, until the node is restarted. */
  | { readonly kind: 'crash'; readonly commits: number }

const room = fc.nat(1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('say' as const), room, by: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), room, ghost: fc.nat(1), isIn: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('service' as const), mood: fc.constantFrom('well', 'failing', 'deaf', 'slow') }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 500, 5_000, 60_000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), commits: fc.nat(6) }) },
)

/** A node with a service whose moods change, and two rooms of alice's. */
class Scene implements AsyncDisposable {
  readonly node = new TestNode()
  readonly service = new FakeService()
  readonly config = { appServices: [registrationOf()], openRegistration: true }
  readonly roomIds: string[] = []
  mood: 'well' | 'failing' | 'deaf' | 'slow' = 'well'
  alice!: TestUser
  #said = 0

  /** @param bystanders users of the service who are in no room. */
  async begin(bystanders = 0): Promise<this> {
    this.service.answer = async (call) => this.#answer(call)
    this.node.optionalPorts = { appServiceClient: this.service }
    await this.node.start(this.config)
    this.alice = await this.node.register('alice')
    for (const ghost of ghosts) await registerFor(this.node, ghost)
    for (let index = 0; index < bystanders; index++) await registerFor(this.node, `net_bystander${index}`)
    for (const _ of [0, 1]) this.roomIds.push(await this.alice.createRoom({ preset: 'public_chat' }))
    return this
  }

  async act(step: Step): Promise<void> {
    const { node } = this
    switch (step.kind) {
      case 'say': {
        const path = `/rooms/${encodeURIComponent(this.roomIds[step.room] ?? '')}/send/m.room.message/${++this.#said}`
        const body = { msgtype: 'm.text', body: 'x' }
        await (step.by === 0 ? this.alice.call('PUT', path, body) : callAs(node, ghosts[step.by - 1], 'PUT', path, body))
        return
      }
      case 'move': {
        const path = `/rooms/${encodeURIComponent(this.roomIds[step.room] ?? '')}/${step.isIn ? 'join' : 'leave'}`
        await callAs(node, ghosts[step.ghost], 'POST', path, {})
        return
      }
      case 'service':
        this.mood = step.mood
        return
      case 'wait':
        await node.world.run(step.ms)
        return
      case 'restart':
        return this.restart()
      case 'crash': {
        let left = step.commits
        node.storageFault = () => {
          if (left-- <= 0) throw new Error('the disk is gone')
        }
      }
    }
  }

  async restart(): Promise<void> {
    await this.node[Symbol.asyncDispose]()
    this.node.storageFault = undefined
    await this.node.start(this.config)
  }

  /** Until the service has everything. */
  async settle(): Promise<void> {
    await this.restart()
    this.mood = 'well'
    await this.node.world.run(1_200_000)
  }

  /** What the service is to be told, as a slow reader of the whole stream sees it. */
  async expected(): Promise<string[]> {
    const storage = openMemoryStorage({ disk: this.node.disk, tableNames: homeserverTableNames })
    const inside = new Map<string, Set<string>>()
    const told: string[] = []
    for (const { value } of await storage.range(timelineTables.stream, { limit: 100_000 })) {
      if (value.kind !== 'room-event') continue
      const pdu = ((await storage.get(roomsTables.events, [value.eventId])) as Json).pdu
      const members = inside.getOrInsertComputed(value.roomId, () => new Set<string>())
      const isOwn = (userId: unknown): boolean => /^@(net_|bridge:)/.test(String(userId))
      const isMember = pdu.type === 'm.room.member'
      if (isOwn(pdu.sender) || (isMember && isOwn(pdu.state_key)) || members.size > 0) told.push(value.eventId)
      if (isMember && isOwn(pdu.state_key)) members[pdu.content.membership === 'join' ? 'add' : 'delete'](pdu.state_key)
    }
    return told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.node.storageFault = undefined
    await this.node[Symbol.asyncDispose]()
  }

  async #answer(call: AppServiceCall): Promise<AppServiceAnswer> {
    if (!isTransaction(call)) return taken
    const { mood } = this
    if (mood === 'failing') return { kind: 'answered', status: 500, body: undefined, text: '' }
    if (mood === 'slow') await this.node.world.clock.sleep(20_000, new AbortController().signal)
    this.service.take(call)
    // What it took may not come to be known here.
    return mood === 'deaf' ? { kind: 'timed-out' } : taken
  }
}

test('a service is told what concerns it, all of it, in order and once, whatever befalls it or the node', async () => {
  let told = 0
  let repeated = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), fc.constantFrom(0, 20), async (steps, bystanders) => {
      await using scene = await new Scene().begin(bystanders)
      for (const each of steps) await scene.act(each)
      await scene.settle()
      const { service } = scene
      expect(service.eventIds).toEqual(await scene.expected())
      expect(service.changed).toEqual([])
      expect(service.atOnce).toBeLessThanOrEqual(1)
      for (const body of service.transactions.values()) expect((body['events'] as unknown[]).length).toBeLessThanOrEqual(100)
      told += service.eventIds.length
      repeated += service.calls.filter(isTransaction).length - service.transactions.size
    }),
    { numRuns: 60, seed: 17 },
  )
  // The generated sequences came to what they are for.
  expect(told).toBeGreaterThan(100)
  expect(repeated).toBeGreaterThan(20)
}, 120_000)

test('a transaction holds no more than a hundred events, and the rest follows', async () => {
  await using scene = await new Scene().begin()
  await scene.act({ kind: 'service', mood: 'failing' })
  await scene.act({ kind: 'move', room: 0, ghost: 0, isIn: true })
  await scene.node.world.run(10)
  for (let count = 0; count < 250; count++) await scene.act({ kind: 'say', room: 0, by: 0 })
  await scene.settle()
  expect([...scene.service.transactions.values()].map((body) => (body['events'] as unknown[]).length)).toEqual([1, 100, 100, 50])
  expect(scene.service.eventIds).toEqual(await scene.expected())
})

test('events come in the form that clients see, with the token that the service knows', async () => {
  await using scene = await new Scene().begin()
  await scene.act({ kind: 'move', room: 0, ghost: 0, isIn: true })
  await scene.act({ kind: 'say', room: 0, by: 0 })
  await scene.node.world.run(1_000)
  const said = scene.service.events.at(-1)
  expect(said).toMatchObject({ type: 'm.room.message', sender: scene.alice.userId, room_id: scene.roomIds[0], content: { body: 'x' } })
  const [call] = scene.service.calls.filter(isTransaction)
  expect(call?.token).toBe(registrationOf().hsToken)
  expect(call?.url.href).toMatch(/^http:\/\/bridge\.test\/base\/_matrix\/app\/v1\/transactions\/[\w-]+-1$/)
})
