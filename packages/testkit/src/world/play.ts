import { backlogOf, extremitiesOf, lacksAny, mailAt } from './inspect.ts'
import { Faults } from './inflict.ts'
import { findViolations } from './invariants.ts'
import { perform } from './perform.ts'
import type { Action, Fault, Scenario, UserAction } from './scenario.ts'
import { World, type WorldOptions } from './world.ts'

export interface Run {
  readonly scenario: Scenario
  /** What does not hold; empty when all is well. */
  readonly violations: readonly string[]
  readonly hash: string
  readonly figures: Figures
}

export interface Figures {
  readonly steps: number
  /** Events that clients were told are sent. */
  readonly events: number
  /** Steps after which, within LOOK_AFTER_MS, a room was forked: each of two servers knew a head of it that the other lacked. */
  readonly forks: number
  readonly handOvers: number
  readonly crashes: number
  readonly messages: number
  readonly simulatedMs: number
}

/** Shorter than the servers are apart when a generated scenario opens. */
const LOOK_AFTER_MS = 5_000
const SETTLE_STEP_MS = 30_000
const SETTLE_MAX_MS = 6 * 3_600_000
const QUIET_STEPS = 3

/** Plays a scenario to its end, heals the world, waits until nothing moves any more, and looks at what came of it. */
export async function play(scenario: Scenario, options: WorldOptions & { readonly onReady?: (world: World) => void } = {}): Promise<Run> {
  const world = new World(scenario.seed, options)
  const { simulated } = world
  const startedAt = simulated.clock.now()
  const violations: string[] = []
  let forks = 0
  try {
    await world.prepare(scenario)
    options.onReady?.(world)
    const faults = new Faults(world)
    const beganAt = simulated.clock.now()
    for (const [index, { at, action }] of scenario.steps.entries()) {
      const untilStep = (): number => Math.max(0, beganAt + at - simulated.clock.now())
      await simulated.run(Math.min(untilStep(), LOOK_AFTER_MS))
      if (await hasForked(world)) forks++
      await simulated.run(untilStep())
      const work = isFault(action) ? faults.inflict(action) : world.user(action.user).inTurn(() => perform(world, action, index))
      work.catch((error: unknown) => world.problems.push(`step ${index}: ${error instanceof Error ? error.message : String(error)}`))
    }
    await simulated.run(5_000)
    if (await hasForked(world)) forks++
    await faults.endAll()
    await becomeQuiet(world)
    await sayGoodbye(world, scenario)
    await becomeQuiet(world)
    await simulated.finish(Promise.all([...world.clients.values()].map((client) => client.catchUp())))
    violations.push(...(await findViolations(world)))
  } catch (error) {
    violations.push(error instanceof Error ? `${error.message} ${error.stack ?? ''}` : String(error))
  }
  for (const client of world.clients.values()) client.end()
  for (const node of [...world.servers.values(), ...world.relays.values()]) await node.dispose()
  const crashes = [...world.servers.values(), ...world.relays.values()].reduce((sum, node) => sum + node.crashes, 0)
  return {
    scenario,
    violations: [...new Set([...violations, ...world.problems])],
    hash: world.trace.hash,
    figures: {
      steps: scenario.steps.length,
      events: world.acknowledged.length,
      forks,
      handOvers: world.handOvers,
      crashes,
      messages: world.trace.lines,
      simulatedMs: simulated.clock.now() - startedAt,
    },
  }
}

const faultKinds: ReadonlySet<string> = new Set<Fault['kind']>([
  'cut',
  'cut-one-way',
  'part',
  'sleep',
  'crash',
  'crash-at-commit',
  'restart',
  'lose',
  'double',
  'break',
  'jitter',
])

function isFault(action: Action): action is Fault {
  return faultKinds.has(action.kind)
}

/** Whether each of two servers knows the end of a room's event graph that the other lacks. */
async function hasForked(world: World): Promise<boolean> {
  const servers = await Promise.all([...world.servers.values()].map(async (server) => ({ server, ends: await extremitiesOf(server) })))
  for (const [index, { server, ends }] of servers.entries()) {
    for (const { server: other, ends: otherEnds } of servers.slice(index + 1)) {
      for (const [roomId, own] of ends) {
        const others = otherEnds.get(roomId)
        if (others === undefined || own.join() === others.join()) continue
        if ((await lacksAny(server, others)) && (await lacksAny(other, own))) return true
      }
    }
  }
  return false
}

/** Lets time pass until nothing waits anywhere. What never becomes quiet shows in the invariants. */
async function becomeQuiet(world: World): Promise<void> {
  let quiet = 0
  for (let waited = 0; waited < SETTLE_MAX_MS && quiet < QUIET_STEPS; waited += SETTLE_STEP_MS) {
    await world.simulated.run(SETTLE_STEP_MS)
    quiet = (await isQuiet(world)) ? quiet + 1 : 0
  }
}

async function isQuiet(world: World): Promise<boolean> {
  if (![...world.users.values()].every((user) => user.isIdle)) return false
  for (const relay of world.relays.values()) if ((await mailAt(relay)) > 0) return false
  for (const server of world.servers.values()) {
    const { outbox, staged } = await backlogOf(server)
    if (outbox + staged > 0) return false
  }
  return true
}

/** One last word of everybody in every room: it names what its server knew, and so tells the others of what they may lack. */
async function sayGoodbye(world: World, scenario: Scenario): Promise<void> {
  let number = scenario.steps.length
  for (const { name: room } of scenario.rooms) {
    for (const user of world.users.keys()) {
      const action: UserAction = { kind: 'send', user, room }
      await world.simulated.finish(world.user(user).inTurn(() => perform(world, action, number++)))
      await world.simulated.run(2_000)
    }
  }
}
