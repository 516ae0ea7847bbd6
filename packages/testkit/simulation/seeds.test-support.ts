import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { roomVersion } from '@kith/matrix-protocol'
import { createNodeCrypto } from '@kith/testkit/node/node-crypto'
import { generateScenario } from '@kith/testkit/world/generate-scenario'
import { play, type Run } from '@kith/testkit/world/play'
import { formatScenario, type Scenario } from '@kith/testkit/world/scenario'
import { shrink } from '@kith/testkit/world/shrink'
import { afterAll, describe, expect, test } from 'vitest'
import { addFigures, figuresFolder, noFigures } from './figures.test-support.ts'

const SEEDS_DEFAULT = 200
const NEWEST_ROOM_VERSION = 12
const SHRINKING_PLAYS_MAX = 150
const VIOLATIONS_SHOWN_MAX = 20

const versions = Array.from({ length: NEWEST_ROOM_VERSION }, (_, index) => String(index + 1)).filter((id) => roomVersion(id) !== undefined)

interface FailingSeed {
  readonly seed: number
  /** As the generator takes it; default: true. */
  readonly opensApart?: boolean
  readonly showed: string
}

/** Seeds that failed once, with what they showed. */
export const failingSeeds = JSON.parse(readFileSync(new URL('failing-seeds.json', import.meta.url), 'utf8')) as readonly FailingSeed[]

export function playSeed(seed: number, opensApart = true): Promise<Run> {
  return playScenario(generateScenario(seed, { versions, opensApart }))
}

export function playScenario(scenario: Scenario): Promise<Run> {
  return play(scenario, { createCrypto: createNodeCrypto })
}

/** @throws Error that tells the seed, the violations and the scenario; with KITH_SHRINK=1 a shorter one that fails alike. */
export async function expectWhole(run: Run): Promise<void> {
  if (run.violations.length === 0) return
  const shown = process.env['KITH_SHRINK'] === '1' ? await shrink(run, playScenario, SHRINKING_PLAYS_MAX) : run
  const violations = shown.violations.slice(0, VIOLATIONS_SHOWN_MAX)
  throw new Error(`${violations.length} violations or more:\n${violations.join('\n')}\n${formatScenario(shown.scenario)}`)
}

/** Every `shards`-th seed, beginning with those that failed before. KITH_SEEDS and KITH_FIRST_SEED say which. */
export function simulateShard(shard: number, shards: number): void {
  // Most of the many aborted waits of a world make an error that nobody reads.
  Error.stackTraceLimit = 0
  const first = numberFrom('KITH_FIRST_SEED', 1)
  const count = numberFrom('KITH_SEEDS', SEEDS_DEFAULT)
  const fresh = Array.from({ length: count }, (_, index) => first + index)
  const mine = (seed: number): boolean => seed % shards === shard
  let figures = noFigures
  const simulate = async (seed: number, opensApart = true): Promise<void> => {
    const run = await playSeed(seed, opensApart)
    figures = addFigures(figures, { ...run.figures, seeds: 1 })
    await expectWhole(run)
    if (opensApart) expect(run.figures.forks).toBeGreaterThan(0)
  }
  describe('seeds that failed once', () => {
    test.for(failingSeeds.filter(({ seed }) => mine(seed)))('seed $seed: $showed', ({ seed, opensApart }) => simulate(seed, opensApart))
  })
  describe('seeds', () => {
    test.for(fresh.filter(mine))('seed %i', (seed) => simulate(seed))
  })
  afterAll(() => {
    mkdirSync(figuresFolder, { recursive: true })
    writeFileSync(`${figuresFolder}/${shard}.json`, JSON.stringify(figures))
  })
}

function numberFrom(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} is no number`)
  return value
}
