import type { Clock, Random, Storage } from '@kith/homeserver/ports'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { createWebCrypto } from '@kith/homeserver/web-crypto'
import { openMemoryStorage } from '@kith/storage/memory'
import type { Measurement } from '../bench.ts'
import { p50AndP99, perSecond } from '../bench.ts'
import { concurrently } from './concurrently.ts'
import { LoopbackNetwork } from './loopback-network.ts'
import { measureCommits } from './measure-commits.ts'
import { type RunningNode, startNode } from './start-node.ts'

const events = 3_000
const sendsAtOnce = 32
const echoCount = 500
/** A node runs for days: what the first polls cost until their code is compiled is not what is asked here. */
const warmUpEchoes = 100
const rawCommits = 5_000
const signatures = 5_000
const eventBytes = 1_024

export interface MeasuredEngine {
  /** A fresh database with these tables. */
  readonly open: (tableNames: readonly string[]) => Promise<Storage>
  readonly clock: Clock
  readonly random: Random
}

const rawTable = { name: 'raw' }

/** How fast one node sends and receives events on a storage engine, beside what the engine and the crypto can do without a node. */
export async function measureNode(engine: MeasuredEngine): Promise<Measurement[]> {
  const raw = await measureEngine(engine)
  const { signsPerSecond, verifiesPerSecond } = await measureCrypto(engine.random)
  const sender = await startNode(engine, await engine.open(homeserverTableNames))
  const sent = await measureSending(sender)
  const echoes = await measureEchoes(sender)
  await sender.homeserver[Symbol.asyncDispose]()
  const received = await measureReceiving(engine)
  return [
    {
      what: `events sent in one room, ${sendsAtOnce} at a time`,
      result: perSecond(sent, 'events'),
      limit: `${perSecond(raw.commits, 'commits')} of one 1 KiB row, ${perSecond(signsPerSecond, 'signatures')}`,
    },
    {
      what: 'a message from its sending to the own waiting sync',
      result: p50AndP99(echoes.synced),
      limit: `to the answer of the sending ${p50AndP99(echoes.sent)}; one commit at a time ${p50AndP99(raw.alone)}`,
    },
    {
      what: 'events received, 50 a transaction',
      result: perSecond(received, 'events'),
      limit: `${perSecond(raw.rows, 'rows')} of 1 KiB in batches of 100, ${perSecond(verifiesPerSecond, 'verifications')}`,
    },
  ]
}

async function measureEngine(
  engine: MeasuredEngine,
): Promise<{ readonly alone: readonly number[]; readonly commits: number; readonly rows: number }> {
  await using storage = await engine.open([rawTable.name])
  const value = { text: 'x'.repeat(eventBytes) }
  const rowsPerBatch = 100
  const alone = await measureCommits(storage, rawTable.name)
  const commitsTook = await concurrently(rawCommits, sendsAtOnce, async (index) =>
    storage.commit([{ kind: 'put', table: rawTable.name, key: ['single', index], value }]),
  )
  const batches = rawCommits / rowsPerBatch
  const batchesTook = await concurrently(batches, 1, async (batch) =>
    storage.commit(
      Array.from({ length: rowsPerBatch }, (_, row) => ({ kind: 'put', table: rawTable.name, key: ['batch', batch, row], value })),
    ),
  )
  return { alone, commits: rate(rawCommits, commitsTook), rows: rate(rawCommits, batchesTook) }
}

async function measureCrypto(random: Random) {
  const crypto = await createWebCrypto(random.bytes(32))
  const message = random.bytes(eventBytes)
  const signature = await crypto.sign(message)
  const signing = await concurrently(signatures, sendsAtOnce, async () => crypto.sign(message))
  const verifying = await concurrently(signatures, sendsAtOnce, async () => crypto.verify(crypto.publicKey, signature, message))
  return { signsPerSecond: rate(signatures, signing), verifiesPerSecond: rate(signatures, verifying) }
}

async function measureSending({ client }: RunningNode): Promise<number> {
  const roomId = await client.createRoom()
  const took = await concurrently(events, sendsAtOnce, async (index) => client.sendMessage(roomId, `t${index}`, `message ${index}`))
  return rate(events, took)
}

/** How long one message after the other takes until it is sent, and until a sync that waits shows it. */
async function measureEchoes({ client }: RunningNode): Promise<{ readonly sent: readonly number[]; readonly synced: readonly number[] }> {
  const roomId = await client.createRoom()
  let since = (await client.call('GET', '/v3/sync'))['next_batch'] as string
  const sent: number[] = []
  const synced: number[] = []
  for (let index = 0; index < warmUpEchoes + echoCount; index++) {
    const waiting = client.call('GET', `/v3/sync?since=${since}&timeout=10000`)
    const startedAt = performance.now()
    const sending = client.sendMessage(roomId, `echo${index}`, `message ${index}`).then(() => sent.push(performance.now() - startedAt))
    since = (await waiting)['next_batch'] as string
    synced.push(performance.now() - startedAt)
    await sending
  }
  return { sent: sent.slice(warmUpEchoes), synced: synced.slice(warmUpEchoes) }
}

/** A second node, in memory, makes the transactions; they are kept back and replayed, so that only the receiver is measured. */
async function measureReceiving(engine: MeasuredEngine): Promise<number> {
  const author = await startNode(engine, openMemoryStorage())
  const receiver = await startNode(engine, await engine.open(homeserverTableNames))
  LoopbackNetwork.connect(author.network, receiver.network)
  const roomId = await author.client.createRoom([receiver.client.userId])
  await receiver.client.call('POST', `/v3/join/${encodeURIComponent(roomId)}?server_name=${author.serverName}`, {})

  const transactions: { readonly request: Request; readonly pdus: number }[] = []
  let kept = 0
  const allKept = Promise.withResolvers<void>()
  author.network.intercept = async (request) => {
    if (!request.url.includes('/federation/v1/send/')) return undefined
    const { pdus } = (await request.clone().json()) as { readonly pdus: readonly unknown[] }
    transactions.push({ request, pdus: pdus.length })
    kept += pdus.length
    if (kept >= events) allKept.resolve()
    return Response.json({ pdus: {} })
  }
  await concurrently(events, sendsAtOnce, async (index) => author.client.sendMessage(roomId, `t${index}`, `message ${index}`))
  await allKept.promise

  const took = await concurrently(transactions.length, 1, async (index) => {
    const transaction = transactions[index]
    if (transaction === undefined) return
    const answer = await receiver.network.receive(author.serverName, transaction.request)
    if (answer.status !== 200) throw new Error(`a transaction was answered ${answer.status}: ${await answer.text()}`)
  })
  const { chunk } = await receiver.client.call('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=1`)
  const [last] = chunk as readonly { readonly content?: { readonly body?: string } }[]
  if (!last?.content?.body?.startsWith('message ')) throw new Error('the receiver does not have the last event')
  await author.homeserver[Symbol.asyncDispose]()
  await receiver.homeserver[Symbol.asyncDispose]()
  return rate(kept, took)
}

function rate(count: number, durationMs: number): number {
  return (count / durationMs) * 1000
}
