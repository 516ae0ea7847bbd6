import type { UserId } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { SeededRandom } from '@kith/testkit/seeded-random'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { type Storage, StorageFullError, WriteBatch } from '../ports/storage.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { Accounts } from './accounts.ts'
import { Devices, type IssuedTokens } from './devices.ts'

const serverName = new SimulatedWorld(1).createIdentity().server
const lifetimeMs = limits.implementation.accessTokenLifetimeMs

/** How a commit ends: as it should, refused for want of room, or with the process: before it was durable, or after. */
type Fate = 'ok' | 'full' | 'crash-before' | 'crash-after'

class ProcessGone extends Error {}

/** A server that may be killed in the middle of a commit, and comes back on what its disk holds. */
class Process {
  readonly clock = new VirtualClock()
  readonly disk = new MemoryDisk()
  readonly #random = new SeededRandom(5)
  fate: Fate = 'ok'
  #storage: Storage | undefined
  #devices: Devices | undefined
  #userId: UserId | undefined

  static async start(): Promise<Process> {
    const process = new Process()
    await process.restart()
    return process
  }

  async restart(): Promise<void> {
    this.fate = 'ok'
    const storage = (this.#storage = this.#fallible(openMemoryStorage({ disk: this.disk, tableNames: homeserverTableNames })))
    const ports = { storage, clock: this.clock, random: this.#random }
    const config = { serverName, openRegistration: true, registrationTokens: [], passwordCostLog2: 1 }
    const accounts = await Accounts.open(ports, config)
    if (accounts.userIds().length === 0) await accounts.register({ localpart: 'alice' })
    ;[this.#userId] = accounts.userIds()
    this.#devices = await Devices.open(ports, accounts)
  }

  get devices(): Devices {
    if (this.#devices === undefined) throw new Error('not started')
    return this.#devices
  }

  get userId(): UserId {
    if (this.#userId === undefined) throw new Error('not started')
    return this.#userId
  }

  async removeDevice(): Promise<void> {
    await this.devices.serially(this.userId, async () => {
      const batch = new WriteBatch()
      this.devices.remove(this.userId, ['D'], batch)
      await this.#storage?.commit(batch.writes)
      this.devices.removed(this.userId, ['D'])
    })
  }

  #fallible(storage: Storage): Storage {
    return {
      get: async (table, key) => storage.get(table, key),
      getMany: async (table, keys) => storage.getMany(table, keys),
      range: async (table, query) => storage.range(table, query),
      commit: async (writes) => {
        const { fate } = this
        this.fate = 'ok'
        if (fate === 'full') throw new StorageFullError('full')
        if (fate === 'crash-before') throw new ProcessGone()
        await storage.commit(writes)
        if (fate === 'crash-after') throw new ProcessGone()
      },
      [Symbol.asyncDispose]: async () => storage[Symbol.asyncDispose](),
    }
  }
}

/** A pair of tokens as the specification sees it: when it was made, from which one, and what became of it. */
interface Pair {
  readonly login: number
  readonly parent: Pair | undefined
  readonly expiresAt: number
  /** Absent when the answer never reached the client. */
  readonly tokens: IssuedTokens | undefined
  used: boolean
  /** The same refresh token was used again before this pair was. */
  replaced: boolean
}

/** What should be, kept as naively as possible: everything that ever happened to one device. */
class Model {
  readonly pairs: Pair[] = []
  login = 0
  deviceIsThere = false

  isGood(pair: Pair): boolean {
    const successorUsed = this.pairs.some((other) => other.parent === pair && other.used)
    return this.deviceIsThere && pair.login === this.login && !pair.replaced && !successorUsed
  }

  standing(pair: Pair, now: number): 'session' | 'expired' | 'unknown' {
    if (!this.isGood(pair)) return 'unknown'
    return pair.expiresAt <= now ? 'expired' : 'session'
  }

  loggedIn(tokens: IssuedTokens | undefined, now: number): void {
    this.login++
    this.deviceIsThere = true
    this.#add(undefined, tokens, now, true)
  }

  refreshed(parent: Pair, tokens: IssuedTokens | undefined, now: number): void {
    parent.used = true
    for (const other of this.pairs) if (other.parent === parent) other.replaced = true
    this.#add(parent, tokens, now, false)
  }

  #add(parent: Pair | undefined, tokens: IssuedTokens | undefined, now: number, used: boolean): void {
    this.pairs.push({ login: this.login, parent, tokens, used, replaced: false, expiresAt: now + lifetimeMs })
  }
}

type Step =
  | { readonly kind: 'log-in' | 'remove' | 'restart'; readonly fate: Fate }
  | { readonly kind: 'refresh' | 'use'; readonly which: number; readonly fate: Fate }
  | { readonly kind: 'wait'; readonly durationMs: number }

const anyFate = fc.oneof({ weight: 5, arbitrary: fc.constant<Fate>('ok') }, fc.constantFrom<Fate>('full', 'crash-before', 'crash-after'))
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('log-in' as const, 'remove', 'restart'), fate: anyFate }) },
  // Counted from the newest pair.
  { weight: 10, arbitrary: fc.record({ kind: fc.constantFrom('refresh' as const, 'use'), which: fc.nat(2), fate: anyFate }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), durationMs: fc.constantFrom(lifetimeMs / 2, lifetimeMs) }) },
)

/** What is known of an attempt, whatever became of the process: its outcome, that it took place unheard, or that it did not. */
async function attempt<T>(process: Process, fate: Fate, act: () => Promise<T>): Promise<{ readonly heard: T } | 'unheard' | 'nothing'> {
  process.fate = fate
  try {
    return { heard: await act() }
  } catch (error) {
    if (error instanceof StorageFullError) return 'nothing'
    if (!(error instanceof ProcessGone)) throw error
    await process.restart()
    return fate === 'crash-after' ? 'unheard' : 'nothing'
  } finally {
    process.fate = 'ok'
  }
}

async function take(process: Process, model: Model, step: Step): Promise<void> {
  const { clock, userId, devices } = process
  switch (step.kind) {
    case 'wait':
      return clock.advance(step.durationMs)
    case 'restart':
      return process.restart()
    case 'log-in': {
      const outcome = await attempt(process, step.fate, async () => devices.logIn(userId, { deviceId: 'D', renewable: true }))
      if (outcome === 'nothing') return
      const heard = outcome === 'unheard' ? undefined : outcome.heard
      model.loggedIn(heard?.kind === 'logged-in' ? heard.tokens : undefined, clock.now())
      return
    }
    case 'remove': {
      const outcome = await attempt(process, step.fate, async () => process.removeDevice())
      if (outcome !== 'nothing') model.deviceIsThere = false
      return
    }
    case 'refresh':
    case 'use': {
      const pair = model.pairs.filter(({ tokens }) => tokens !== undefined).at(-1 - step.which)
      if (pair?.tokens === undefined) return
      await (step.kind === 'refresh' ? refresh(process, model, pair, step.fate) : use(process, model, pair, step.fate))
    }
  }
}

async function refresh(process: Process, model: Model, pair: Pair, fate: Fate): Promise<void> {
  const good = model.isGood(pair)
  const outcome = await attempt(process, fate, async () => process.devices.refresh(pair.tokens?.renewal?.refreshToken ?? ''))
  if (outcome === 'nothing') return
  const heard = outcome === 'unheard' ? undefined : outcome.heard
  if (heard !== undefined) expect(heard.kind).toBe(good ? 'refreshed' : 'unknown')
  if (good) model.refreshed(pair, heard?.kind === 'refreshed' ? heard.tokens : undefined, process.clock.now())
}

async function use(process: Process, model: Model, pair: Pair, fate: Fate): Promise<void> {
  const expected = model.standing(pair, process.clock.now())
  const wasUsed = pair.used
  const outcome = await attempt(process, fate, async () => process.devices.authenticate(pair.tokens?.accessToken ?? ''))
  if (outcome === 'nothing') return
  if (outcome !== 'unheard') expect(outcome.heard.kind).toBe(expected)
  // Without room the use is not written down: what was before the token stays, until the next use.
  if (expected === 'session') pair.used = wasUsed || fate !== 'full'
}

/** Every token ever given does what the model says, and nothing more, without being used by the question. */
async function checkAll(process: Process, model: Model): Promise<void> {
  for (const pair of model.pairs) {
    if (pair.tokens === undefined) continue
    const expected = model.standing(pair, process.clock.now())
    // A refused confirmation lets the token in and leaves everything as it was.
    process.fate = 'full'
    expect((await process.devices.authenticate(pair.tokens.accessToken)).kind).toBe(expected)
    process.fate = 'ok'
  }
}

test('tokens do what the specification says, whatever becomes of the process between any two writes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
      const process = await Process.start()
      const model = new Model()
      for (const step of [{ kind: 'log-in', fate: 'ok' } as const, ...steps]) {
        await take(process, model, step)
        await checkAll(process, model)
      }
    }),
    { numRuns: 300 },
  )
})

test('two clients that renew with one token at the same moment: one of the answers works', async () => {
  const process = await Process.start()
  const first = await process.devices.logIn(process.userId, { renewable: true })
  if (first.kind !== 'logged-in') throw new Error(first.kind)
  const token = first.tokens.renewal?.refreshToken ?? ''
  const answers = await Promise.all([process.devices.refresh(token), process.devices.refresh(token)])
  const access = answers.flatMap((answer) => (answer.kind === 'refreshed' ? [answer.tokens.accessToken] : []))
  expect(access).toHaveLength(2)
  const kinds = await Promise.all(access.map(async (accessToken) => (await process.devices.authenticate(accessToken)).kind))
  expect(kinds).toEqual(['unknown', 'session'])
})

test('a disk holds no token', async () => {
  const process = await Process.start()
  const outcome = await process.devices.logIn(process.userId, { renewable: true })
  if (outcome.kind !== 'logged-in') throw new Error(outcome.kind)
  const stored = JSON.stringify([...process.disk.tables])
  expect(stored).toContain(outcome.deviceId)
  for (const token of [outcome.tokens.accessToken, outcome.tokens.renewal?.refreshToken ?? '']) expect(stored).not.toContain(token)
})
