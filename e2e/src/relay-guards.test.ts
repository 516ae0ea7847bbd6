import { PATIENCE_MS } from '@kith/testkit/eventually'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '@kith/homeserver/ports'
import type { ServerName } from '@kith/matrix-protocol'
import { createIdentity, serverNameFromPeerId } from '@kith/p2p/identity'
import { createNodeNetwork, type KithNetwork } from '@kith/p2p/node'
import { peerIdFromString } from '@libp2p/peer-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KithProcess } from './kith-process.ts'

const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }
const MAILBOX = '/_matrix/federation/unstable/im.kith/mailbox'

interface Peer extends AsyncDisposable {
  readonly server: ServerName
  call(method: string, path: string, body?: object | string): Promise<{ status: number; body: Record<string, unknown> }>
}

let directory: string
let relay: KithProcess
let relayAddress: string
let relayServer: ServerName

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kith-guards-'))
  relay = new KithProcess(['relay', '--data', directory, '--port', '0', '--host', '127.0.0.1'])
  const [match] = await relay.start(/^listening on (\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/(\S+))$/)
  relayAddress = match?.[1] ?? ''
  relayServer = serverOfPeer(match?.[2] ?? '')
})

afterAll(async () => {
  await relay.end('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

test('pulling the mailbox of another server is refused and leaves the mail untouched', async () => {
  await using owner = await connect()
  await using sender = await connect()
  await using stranger = await connect()
  expect((await owner.call('PUT', MAILBOX, {})).status).toBe(200)
  const transaction = { pdus: [{ some: 'event' }], edus: [] }
  expect(
    (await sender.call('PUT', `/_matrix/federation/v1/send_relay/t1/${encodeURIComponent(`@ada:${owner.server}`)}`, transaction)).status,
  ).toBe(200)
  const box = `/_matrix/federation/v1/relay_txn/${encodeURIComponent(`@ada:${owner.server}`)}`
  for (const thief of [stranger, sender]) {
    for (const query of ['', '?entry_id=0', '?entry_id=1', '?entry_id=1&limit=10']) {
      const answer = await thief.call('GET', `${box}${query}`)
      expect([answer.status, answer.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
    }
  }
  const mine = await owner.call('GET', `${box}?entry_id=0`)
  expect(mine).toMatchObject({ status: 200, body: { transaction, entries_queued: true } })
})

test('wrong and replayed entry ids delete nothing', async () => {
  await using owner = await connect()
  await using sender = await connect()
  await owner.call('PUT', MAILBOX, {})
  const user = encodeURIComponent(`@ada:${owner.server}`)
  for (const id of ['a', 'b', 'a'])
    await sender.call('PUT', `/_matrix/federation/v1/send_relay/${id}/${user}`, { pdus: [{ id }], edus: [] })
  const pull = (query: string) => owner.call('GET', `/_matrix/federation/v1/relay_txn/${user}${query}`)
  const first = await pull('')
  expect(first.body).toMatchObject({ transaction: { pdus: [{ id: 'a' }] } })
  for (const wrong of ['-1', 'x', '1.5', '999999', '99999999999999999999']) {
    const answer = await pull(`?entry_id=${wrong}`)
    expect([wrong, answer.status, answer.body['errcode']]).toEqual([wrong, 400, 'M_INVALID_PARAM'])
  }
  const second = await pull(`?entry_id=${String(first.body['entry_id'])}`)
  expect(second.body).toMatchObject({ transaction: { pdus: [{ id: 'b' }] }, entries_queued: true })
  // Acknowledging the same entry again deletes nothing more, and the repeated transaction was stored once.
  expect((await pull(`?entry_id=${String(first.body['entry_id'])}`)).body).toEqual(second.body)
  expect((await pull(`?entry_id=${String(second.body['entry_id'])}`)).body).toMatchObject({ entries_queued: false })
})

test('bad mail is refused with the right error, and the relay lives on', async () => {
  await using owner = await connect()
  await using sender = await connect()
  await owner.call('PUT', MAILBOX, {})
  const ada = `@ada:${owner.server}`
  const cases: readonly [string, string, object | string, number, string][] = [
    ['no user id', 'ada', { pdus: [], edus: [] }, 400, 'M_INVALID_PARAM'],
    ['nobody with a mailbox', `@ada:${sender.server}`, { pdus: [], edus: [] }, 403, 'M_FORBIDDEN'],
    ['no JSON', ada, '{', 400, 'M_NOT_JSON'],
    ['no object', ada, '[]', 400, 'M_BAD_JSON'],
    ['no pdus', ada, { edus: [] }, 400, 'M_BAD_JSON'],
    ['51 PDUs', ada, { pdus: Array.from({ length: 51 }, () => ({})), edus: [] }, 400, 'M_BAD_JSON'],
    ['101 EDUs', ada, { pdus: [], edus: Array.from({ length: 101 }, () => ({})) }, 400, 'M_BAD_JSON'],
    ['20 MB', ada, { pdus: ['x'.repeat(20_000_000)], edus: [] }, 413, 'M_TOO_LARGE'],
  ]
  for (const [name, user, body, status, errcode] of cases) {
    const answer = await sender.call('PUT', mailPath(user), body)
    expect([name, answer.status, answer.body['errcode']]).toEqual([name, status, errcode])
  }
  const unknown = await sender.call('GET', '/_matrix/federation/v1/nothing')
  expect([unknown.status, unknown.body['errcode']]).toEqual([404, 'M_UNRECOGNIZED'])
  expect((await owner.call('GET', MAILBOX)).body).toEqual({ entries: 0 })
  expect(relay.running).toBe(true)
})

async function connect(): Promise<Peer> {
  const identity = createIdentity(random)
  const network: KithNetwork = await createNodeNetwork({ identity, role: 'homeserver', relays: [relayAddress], log: silentLog })
  network.serve(async () => Response.json({}))
  await network.start(AbortSignal.timeout(PATIENCE_MS))
  return {
    server: identity.serverName,
    async call(method, path, body) {
      const request = new Request(`https://${relayServer}${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      const response = await network.request(relayServer, request, AbortSignal.timeout(PATIENCE_MS))
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  }
}

function mailPath(user: string): string {
  return `/_matrix/federation/v1/send_relay/t/${encodeURIComponent(user)}`
}

function serverOfPeer(peerId: string): ServerName {
  const server = serverNameFromPeerId(peerIdFromString(peerId))
  if (server === undefined) throw new Error('The relay printed no peer id of a server')
  return server
}
