import { type JsonObject, type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { silentLog } from '@kith/testkit/silent-log'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import { describe, expect, test } from 'vitest'
import { createRouter } from '../federation/serve/router.ts'
import { relayTableNames } from '../storage-schema.ts'
import { mailboxEndpoints } from './mailbox-endpoints.ts'
import { type MailboxQuotas, Mailboxes } from './mailboxes.ts'

const alice = named(1)
const bob = named(2)
const mallory = named(3)
const day = 24 * 3_600_000

const quotas: MailboxQuotas = {
  mailboxesMax: 2,
  bytesPerMailboxMax: 10_000,
  entriesPerMailboxMax: 20,
  bytesPerSenderMax: 6_000,
  entriesPerSenderMax: 8,
  custodyMs: day,
  reservationMs: 10 * day,
}

function named(byte: number): ServerName {
  return serverNameFromPublicKey(new Uint8Array(32).fill(byte))
}

async function openRelay(
  options: { quotas?: Partial<MailboxQuotas>; disk?: MemoryDisk; clock?: VirtualClock; mayReserve?: (s: ServerName) => boolean } = {},
) {
  const clock = options.clock ?? new VirtualClock()
  const disk = options.disk ?? new MemoryDisk()
  const storage = openMemoryStorage({ disk, tableNames: relayTableNames })
  const mailboxes = await Mailboxes.open(storage, clock, { ...quotas, ...options.quotas })
  const announced: ServerName[] = []
  const endpoints = mailboxEndpoints({ mailboxes, mayReserve: options.mayReserve ?? (() => true), onMail: (to) => announced.push(to) })
  const handle = createRouter(endpoints, silentLog, new AbortController().signal)
  const ask = async (origin: ServerName, method: string, path: string, body?: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const request = new Request(`https://relay/_matrix/federation/${path}`, { method, ...(body === undefined ? {} : { body: text }) })
    const response = await handle(origin, request)
    return { status: response.status, body: (await response.json()) as JsonObject }
  }
  return {
    clock,
    disk,
    announced,
    ask,
    reserve: (origin: ServerName) => ask(origin, 'PUT', 'unstable/im.kith/mailbox', {}),
    put: (from: ServerName, to: ServerName, txnId: string, body: unknown = transaction(txnId)) =>
      ask(from, 'PUT', `v1/send_relay/${txnId}/@u:${to}`, body),
    pull: (origin: ServerName, of: ServerName, query = '') => ask(origin, 'GET', `v1/relay_txn/@u:${of}${query}`),
  }
}

function transaction(name: string, bytes = 0): JsonObject {
  return { pdus: [], edus: [{ edu_type: 'test', content: { name, filling: 'x'.repeat(bytes) } }] }
}

const names = (body: JsonObject): unknown[] =>
  (body['entries'] as { transaction: { edus: { content: { name: string } }[] } }[]).map((entry) => entry.transaction.edus[0]?.content.name)
const ids = (body: JsonObject): unknown[] => (body['entries'] as { entry_id: number }[]).map((entry) => entry.entry_id)

describe('a mailbox', () => {
  test('hands mail out in order until it is acknowledged', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    for (const name of ['a', 'b', 'c']) expect((await relay.put(alice, bob, name)).status).toBe(200)
    expect(relay.announced).toEqual([bob, bob, bob])
    const first = await relay.pull(bob, bob, '?entry_id=0&limit=2')
    expect(names(first.body)).toEqual(['a', 'b'])
    expect(names((await relay.pull(bob, bob, '?limit=10')).body)).toEqual(['a', 'b', 'c'])
    const second = await relay.pull(bob, bob, `?entry_id=${String(ids(first.body)[1])}&limit=2`)
    expect(names(second.body)).toEqual(['c'])
    const empty = await relay.pull(bob, bob, `?entry_id=${String(ids(second.body)[0])}&limit=2`)
    expect(empty.body).toEqual({ entries: [], entries_queued: false })
  })

  test('answers without `limit` with one transaction', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'a')
    const answer = await relay.pull(bob, bob, '?entry_id=0')
    expect(answer.body).toEqual({ transaction: transaction('a'), entry_id: 1, entries_queued: true })
    expect((await relay.pull(bob, bob, '?entry_id=1')).body).toEqual({
      transaction: { pdus: [], edus: [] },
      entry_id: 1,
      entries_queued: false,
    })
  })

  test('never gives an entry id twice, not even after it was empty and the relay restarted', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'a')
    await relay.pull(bob, bob, '?entry_id=1')
    const again = await openRelay({ disk: relay.disk, clock: relay.clock })
    await again.put(alice, bob, 'b')
    expect(ids((await again.pull(bob, bob, '?limit=5')).body)).toEqual([2])
  })

  test('never gives an entry id twice, not even after it was given up', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'a')
    await relay.pull(bob, bob, '?entry_id=1')
    await relay.reserve(alice)
    await relay.clock.advance(30 * day)
    expect((await relay.reserve(mallory)).status).toBe(200)
    expect((await relay.reserve(bob)).status).toBe(200)
    await relay.put(alice, bob, 'b')
    expect(ids((await relay.pull(bob, bob, '?limit=5')).body)).toEqual([2])
  })

  test('stores a transaction once, also when it comes again after collection', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    const first = await relay.put(alice, bob, 'a')
    expect(await relay.put(alice, bob, 'a')).toEqual(first)
    expect(ids((await relay.pull(bob, bob, '?limit=5')).body)).toEqual([1])
    await relay.pull(bob, bob, '?entry_id=1')
    expect((await relay.put(alice, bob, 'a')).status).toBe(200)
    expect((await relay.pull(bob, bob, '?limit=5')).body['entries_queued']).toBe(false)
    // The same name from another sender is another transaction.
    await relay.put(mallory, bob, 'a')
    expect(ids((await relay.pull(bob, bob, '?limit=5')).body)).toEqual([2])
  })

  test('forgets what nobody collected after the custody time', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'old')
    await relay.clock.advance(day)
    await relay.put(alice, bob, 'new')
    expect(names((await relay.pull(bob, bob, '?limit=5')).body)).toEqual(['new'])
    expect((await relay.put(alice, bob, 'old')).status).toBe(200)
    expect(names((await relay.pull(bob, bob, '?limit=5')).body)).toEqual(['new', 'old'])
  })

  test('can be emptied in bulk and counts right afterwards', async () => {
    const relay = await openRelay({
      quotas: { entriesPerMailboxMax: 500, entriesPerSenderMax: 500, bytesPerMailboxMax: 1e6, bytesPerSenderMax: 1e6 },
    })
    await relay.reserve(bob)
    for (let count = 1; count <= 350; count++) await relay.put(alice, bob, `t${count}`)
    expect((await relay.ask(bob, 'GET', 'unstable/im.kith/mailbox')).body).toEqual({ entries: 350 })
    expect(ids((await relay.pull(bob, bob, '?entry_id=340&limit=50')).body)).toHaveLength(10)
    await relay.pull(bob, bob, '?entry_id=350')
    expect((await relay.ask(bob, 'GET', 'unstable/im.kith/mailbox')).body).toEqual({ entries: 0 })
  })
})

describe('a relay refuses', () => {
  test('a pull of the mailbox of another, and leaves it untouched', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'a')
    const refused = await relay.pull(mallory, bob, '?entry_id=1')
    expect([refused.status, refused.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
    expect(names((await relay.pull(bob, bob, '?limit=5')).body)).toEqual(['a'])
  })

  test('mail for one without mailbox, or whose reservation is over', async () => {
    const relay = await openRelay()
    expect((await relay.put(alice, bob, 'a')).status).toBe(403)
    expect((await relay.pull(bob, bob)).status).toBe(403)
    await relay.reserve(bob)
    await relay.clock.advance(11 * day)
    expect((await relay.put(alice, bob, 'a')).status).toBe(403)
  })

  test('a mailbox for those it does not know, and more mailboxes than it keeps', async () => {
    const strict = await openRelay({ mayReserve: (server) => server === bob })
    expect((await strict.reserve(mallory)).status).toBe(403)
    expect((await strict.reserve(bob)).status).toBe(200)
    const small = await openRelay({ quotas: { mailboxesMax: 1 } })
    await small.reserve(bob)
    expect((await small.reserve(alice)).status).toBe(429)
    expect((await small.reserve(bob)).status).toBe(200)
  })

  test.each([
    ['an entry id that was never given out', '?entry_id=2'],
    ['a negative entry id', '?entry_id=-1'],
    ['an entry id in words', '?entry_id=one'],
    ['an empty entry id', '?entry_id='],
    ['a fraction', '?entry_id=1.5'],
    ['an entry id beyond all integers', '?entry_id=9999999999999999'],
    ['a limit of nothing', '?limit=0'],
    ['a limit in words', '?limit=all'],
  ])('%s, and deletes nothing', async (_what, query) => {
    const relay = await openRelay()
    await relay.reserve(bob)
    await relay.put(alice, bob, 'a')
    const refused = await relay.pull(bob, bob, query)
    expect([refused.status, refused.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    expect(names((await relay.pull(bob, bob, '?limit=5')).body)).toEqual(['a'])
  })

  test.each([
    ['no JSON', '{"pdus":', 400, 'M_NOT_JSON'],
    ['no object', '[]', 400, 'M_BAD_JSON'],
    ['no PDUs', '{}', 400, 'M_BAD_JSON'],
    ['PDUs that are no list', '{"pdus":{}}', 400, 'M_BAD_JSON'],
    ['EDUs that are no list', '{"pdus":[],"edus":1}', 400, 'M_BAD_JSON'],
    ['51 PDUs', JSON.stringify({ pdus: Array.from({ length: 51 }, () => ({})), edus: [] }), 400, 'M_BAD_JSON'],
    ['101 EDUs', JSON.stringify({ pdus: [], edus: Array.from({ length: 101 }, () => ({})) }), 400, 'M_BAD_JSON'],
    ['a deep nest', `{"pdus":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 400, 'M_BAD_JSON'],
    ['a body of 5 MiB', JSON.stringify({ pdus: ['x'.repeat(5 * 1024 * 1024)], edus: [] }), 413, 'M_TOO_LARGE'],
  ])('a transaction with %s', async (_what, body, status, errcode) => {
    const relay = await openRelay()
    await relay.reserve(bob)
    const refused = await relay.put(alice, bob, 'bad', body)
    expect([refused.status, refused.body['errcode']]).toEqual([status, errcode])
    expect((await relay.pull(bob, bob, '?limit=5')).body['entries_queued']).toBe(false)
  })

  test('mail for what is no user', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    for (const user of ['bob', `bob:${bob}`, '@bob', '@bob:%00']) {
      const refused = await relay.ask(alice, 'PUT', `v1/send_relay/a/${user}`, transaction('a'))
      expect([refused.status, refused.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('more than a sender may leave, but not the mail of others', async () => {
    const relay = await openRelay()
    await relay.reserve(bob)
    expect((await relay.put(mallory, bob, 'big', transaction('big', 5_500))).status).toBe(200)
    const refused = await relay.put(mallory, bob, 'more', transaction('more', 1_000))
    expect([refused.status, refused.body['errcode']]).toEqual([429, 'M_LIMIT_EXCEEDED'])
    expect(refused.body['retry_after_ms']).toBeGreaterThan(0)
    expect((await relay.put(alice, bob, 'a', transaction('a', 3_000))).status).toBe(200)
    // The whole mailbox is bounded too.
    expect((await relay.put(alice, bob, 'b', transaction('b', 2_000))).status).toBe(429)
    await relay.pull(bob, bob, '?entry_id=1')
    expect((await relay.put(mallory, bob, 'more', transaction('more', 1_000))).status).toBe(200)
  })

  test('what it does not know', async () => {
    const relay = await openRelay()
    expect((await relay.ask(alice, 'GET', 'v1/event/$x')).status).toBe(404)
    expect((await relay.ask(alice, 'DELETE', 'unstable/im.kith/mailbox')).status).toBe(405)
  })
})
