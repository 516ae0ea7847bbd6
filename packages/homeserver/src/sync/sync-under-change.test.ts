import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Action, action, clientCount, type ClientSettings, clientSettings } from './under-change/actions.test-support.ts'
import { Story } from './under-change/story.test-support.ts'

const environment: Readonly<Record<string, string | undefined>> =
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {}

/** KITH_SYNC_RUNS: how many stories that nobody has heard; KITH_SYNC_SEED and KITH_SYNC_PATH: the one that a failure names, made short then. */
const { KITH_SYNC_RUNS: runs, KITH_SYNC_SEED: givenSeed, KITH_SYNC_PATH: path } = environment
/** Who names neither hears the same ones each time. */
const seed = givenSeed ?? (runs === undefined ? undefined : Date.now() % 2 ** 31)

/** Somewhere to be: a room that all are in, and one of two servers to which others have to be invited. */
const opening: readonly Action[] = [
  { kind: 'create', user: 0, preset: 'public_chat', encrypted: false },
  ...[1, 2, 3, 4].map((user) => ({ kind: 'join', user, room: 0 }) as const),
  { kind: 'say', user: 0, room: 0, count: 2, thread: false },
  { kind: 'create', user: 1, preset: 'private_chat', encrypted: true },
  { kind: 'invite', user: 1, room: 1, target: 3 },
  { kind: 'join', user: 3, room: 1 },
]

/** A redaction comes to a server before the message that it redacts, and clients of that server sync in between. */
const redactedBeforehand: [number, ClientSettings[], Action[]] = [
  5,
  Array.from({ length: clientCount }, () => ({ stateName: 'state', limit: 3, lazy: true })),
  [
    { kind: 'say', user: 1, room: 0, count: 2, thread: false },
    { kind: 'redact', user: 4, room: 0, event: 1 },
    { kind: 'sync', client: 4, lost: false, first: 0, size: 999, limit: 5 },
    { kind: 'sync', client: 3, lost: false, first: 0, size: 999, limit: 5 },
    { kind: 'sync', client: 6, lost: false, first: 0, size: 999, limit: 5 },
  ],
]

test('a story of a redaction that came before its message', async () => {
  await tell({ examples: [redactedBeforehand], numRuns: 1 })
})

test('after stories that were told before each client shows what its server says', { timeout: 100_000_000 }, async () => {
  await tell({ seed: 20261121, numRuns: 16 })
})

test('after any story each client shows what its server says', { timeout: 100_000_000 }, async () => {
  await tell({
    numRuns: Number(runs ?? 4),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? { endOnFailure: true } : { path }),
  })
})

async function tell(stories: fc.Parameters<[number, ClientSettings[], Action[]]>): Promise<void> {
  const settings = fc.array(clientSettings, { minLength: clientCount, maxLength: clientCount })
  const setting = [fc.nat(), settings, fc.array(action, { minLength: 20, maxLength: 80, size: 'max' })] as const
  await fc.assert(
    fc.asyncProperty(...setting, async (seed, chosen, steps) => {
      await using story = new Story(seed)
      await story.begin(chosen)
      for (const step of opening) await story.perform(step)
      for (const step of steps) await story.perform(step)
      expect(await story.settle()).toEqual([])
    }),
    stories,
  )
}
