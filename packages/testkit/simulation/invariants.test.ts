import type { Write } from '@kith/homeserver/ports'
import { createNodeCrypto } from '@kith/testkit/node/node-crypto'
import { play } from '@kith/testkit/world/play'
import { at, crash, cut, cutOneWay, join, redact, rename, type Scenario, send, sleep } from '@kith/testkit/world/scenario'
import { describe, expect, test } from 'vitest'
import { playSeed } from './seeds.test-support.ts'

const scenario: Scenario = {
  seed: 1,
  relays: ['mole'],
  servers: ['alice', 'bob', 'carol'].map((name) => ({ name, users: [name], relays: ['mole'] })),
  hidden: [],
  rooms: [{ name: 'lobby', version: '12', joinRule: 'invite', historyVisibility: 'shared', creator: 'alice', members: ['bob', 'carol'] }],
  steps: [
    ...at(1_000, cut('alice', 'bob', 60_000), cutOneWay('carol', 'alice', 30_000)),
    ...at(2_000, send('alice', 'lobby'), send('bob', 'lobby'), send('carol', 'lobby')),
    ...at(5_000, redact('alice', 'lobby', 0), rename('alice', 'lobby', 'The')),
    ...at(20_000, sleep('bob', 40_000), send('carol', 'lobby')),
    ...at(90_000, crash('carol', 5_000), send('bob', 'lobby')),
  ],
}

type Tamper = (node: string, writes: readonly Write[]) => readonly Write[]

const playWith = (tamper?: Tamper) => play(scenario, { createCrypto: createNodeCrypto, ...(tamper === undefined ? {} : { tamper }) })

/** At Bob's, whatever is written to the table is replaced. */
function atBob(table: string, change: (write: Extract<Write, { kind: 'put' }>) => readonly Write[], node = 'bob'): Tamper {
  return (name, writes) =>
    name === node ? writes.flatMap((write) => (write.kind === 'put' && write.table === table ? change(write) : [write])) : writes
}

function valueOf(write: Extract<Write, { kind: 'put' }>): Readonly<Record<string, never>> {
  return write.value as Readonly<Record<string, never>>
}

function says(write: Extract<Write, { kind: 'put' }>, user: 'bob' | 'carol'): boolean {
  return JSON.stringify(write.value).includes(`${user} says`)
}

test('a world of three servers that were apart is whole afterwards', async () => {
  const { violations, figures } = await playWith()
  expect(violations).toEqual([])
  expect(figures).toMatchObject({ crashes: 1, steps: scenario.steps.length })
  expect(figures.forks).toBeGreaterThan(0)
  expect(figures.handOvers).toBeGreaterThan(0)
})

test.each([2, 3, 5, 8])('the world of seed %i is whole afterwards', async (seed) => {
  expect((await playSeed(seed)).violations).toEqual([])
})

test('a seed is played the same way each time', async () => {
  const [first, second, other] = [await playSeed(9), await playSeed(9), await playSeed(10)]
  expect(second.hash).toBe(first.hash)
  expect(second.figures).toEqual(first.figures)
  expect(other.hash).not.toBe(first.hash)
})

describe('a planted fault shows', () => {
  const faults: readonly { readonly invariant: string; readonly fault: string; readonly tamper: Tamper }[] = [
    { invariant: 'outbox', fault: 'a row that nobody takes', tamper: atBob('timeline.outbox', alsoFor('nobody')) },
    { invariant: 'mailbox', fault: 'mail that nobody fetches', tamper: atBob('mailbox.entries', alsoFor('nobody'), 'mole') },
    {
      invariant: 'sync',
      fault: 'an event that was taken in without a place among the arrivals',
      tamper: atBob('rooms.arrivals', (write) => (carolSaid.has(valueOf(write)['eventId'] ?? '') ? [] : [write])),
    },
    {
      invariant: 'sync',
      fault: 'an arrival that is written twice',
      tamper: atBob('rooms.arrivals', (write) => [write, { ...write, key: [write.key[0] ?? '', Number(write.key[1]) + 1] }]),
    },
    {
      invariant: 'history',
      fault: 'events that are not in the history',
      tamper: atBob('rooms.history', (write) => (write.key[1] === 14 ? [] : [write])),
    },
    {
      invariant: 'order',
      fault: 'a history by arrival',
      tamper: atBob('rooms.history', (write) => [
        { ...write, key: [...write.key.slice(0, 2), 2 ** 48 - Number(write.key[2]), ...write.key.slice(3)] },
      ]),
    },
    {
      invariant: 'extremities',
      fault: 'a head that is left out',
      tamper: atBob('rooms.rooms', (write) => [{ ...write, value: { ...valueOf(write), extremities: [] } }]),
    },
    {
      invariant: 'rejected',
      fault: 'an honest event that is rejected',
      tamper: atBob('rooms.events', (write) => [
        says(write, 'carol') ? { ...write, value: { ...valueOf(write), status: 'rejected' } } : write,
      ]),
    },
    {
      invariant: 'soft-failed',
      fault: 'an honest event that is soft-failed',
      tamper: atBob('rooms.events', (write) => [
        says(write, 'carol') ? { ...write, value: { ...valueOf(write), status: 'soft-failed' } } : write,
      ]),
    },
    {
      invariant: 'redaction',
      fault: 'content that outlives its redaction',
      tamper: atBob('rooms.events', (write) => ('redactedBy' in valueOf(write) ? [] : [write])),
    },
    {
      invariant: 'state',
      fault: 'a room whose name is another after a restart',
      tamper: atBob(
        'rooms.events',
        (write) => [{ ...write, value: JSON.parse(JSON.stringify(write.value).replace('"name":"The', '"name":"A')) }],
        'carol',
      ),
    },
  ]
  const carolSaid = new Set<string>()

  test.each(faults)('$invariant: $fault', async ({ invariant, tamper }) => {
    carolSaid.clear()
    const { violations } = await playWith((node, writes) => {
      for (const write of writes)
        if (write.kind === 'put' && write.table === 'rooms.events' && says(write, 'carol')) carolSaid.add(String(write.key[0]))
      return tamper(node, writes)
    })
    expect(violations.map((violation) => violation.split(':')[0])).toContain(invariant)
  })

  test('soft-failed: an honest event beside a change of the join rules that takes no right from it', async () => {
    const steps = [
      ...at(1_000, cut('alice', 'carol', 20_000)),
      ...at(2_000, { kind: 'join-rule', user: 'alice', room: 'lobby', value: 'public' }, send('carol', 'lobby')),
    ]
    const tamper = atBob('rooms.events', (write) => [
      says(write, 'carol') ? { ...write, value: { ...valueOf(write), status: 'soft-failed' } } : write,
    ])
    const { violations } = await play({ ...scenario, steps }, { createCrypto: createNodeCrypto, tamper })
    expect(violations.join()).toContain('soft-failed')
  })

  /** Bob dies as he lets Anna in, so that her server learns of it when Alice joins later; it dies then, and reads from its disk what it tells Anna. */
  const joinedUnheard: Scenario = {
    ...scenario,
    servers: [
      { name: 'alice', users: ['alice', 'anna'], relays: ['mole'] },
      { name: 'bob', users: ['bob'], relays: ['mole'] },
    ],
    rooms: [{ name: 'lobby', version: '12', joinRule: 'public', historyVisibility: 'shared', creator: 'bob', members: [] }],
    steps: [
      ...at(1_000, { kind: 'crash-at-commit', server: 'bob', after: 0, durable: true, forMs: 1_000 }, join('anna', 'lobby')),
      ...at(9_000, send('bob', 'lobby')),
      ...at(60_000, { kind: 'crash-at-commit', server: 'alice', after: 1, durable: true, forMs: 1_000 }, join('alice', 'lobby')),
    ],
  }

  test('sync: messages before the beginning of a timeline that does not say that there are any', async () => {
    const silently: Tamper = (name, writes) =>
      writes.map((write) => {
        if (name !== 'alice' || write.kind !== 'put' || write.table !== 'rooms.events') return write
        const { afterGap: _, ...value } = valueOf(write)
        return { ...write, value }
      })
    const playUnheard = (tamper: Tamper) => play(joinedUnheard, { createCrypto: createNodeCrypto, tamper })
    expect((await playUnheard((_, writes) => writes)).violations).toEqual([])
    expect((await playUnheard(silently)).violations.join()).toContain('anna was never told')
  })

  test('sync: messages before the beginning of a timeline that no page brings', async () => {
    const unpaged: Tamper = (name, writes) =>
      writes.filter((write) => {
        if (write.kind !== 'put') return true
        if (write.table === 'rooms.events' && says(write, 'bob')) bobSaid.add(String(write.key[0]))
        return name !== 'alice' || write.table !== 'rooms.history' || !write.key.some((part) => bobSaid.has(String(part)))
      })
    const bobSaid = new Set<string>()
    const { violations } = await play(joinedUnheard, { createCrypto: createNodeCrypto, tamper: unpaged })
    expect(violations.join()).toContain('anna was never told')
  })

  test('forks: what others hear late is none', async () => {
    const steps = [...at(1_000, sleep('bob', 40_000), send('alice', 'lobby')), ...at(20_000, send('alice', 'lobby'))]
    const { figures } = await play({ ...scenario, steps }, { createCrypto: createNodeCrypto })
    expect(figures.forks).toBe(0)
  })
})

function alsoFor(recipient: string) {
  return (write: Extract<Write, { kind: 'put' }>): readonly Write[] => [write, { ...write, key: [recipient, ...write.key.slice(1)] }]
}
