import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { loadOrCreateSeed } from '../../apps/headless/src/identity-file.ts'
import { freePort } from '../../e2e/src/free-port.ts'
import { KithProcess } from '../../e2e/src/kith-process.ts'
import { type Bench, type Measurement, milliseconds, percentile } from './bench.ts'
import { Client } from './load/client.ts'
import { GeneratedServer } from './load/generated-server.ts'
import { nodeEngine } from './load/node-engine.ts'
import { addMembers, RoomAuthor } from './load/room-author.ts'
import { startNode } from './load/start-node.ts'

const sizes = [
  { members: 1_000, servers: 50, targetMs: 2_000 },
  { members: 10_000, servers: 500, targetMs: 3_000 },
]
const joins = 3
const completeTimeoutMs = 60_000
const relayAddressLine = /^listening on (\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\/\S+)$/
const clientApiLine = /^client API at http:\/\/127\.0\.0\.1:\d+$/

/** A node that joins a large room of another: two `kith serve` and a relay as processes on loopback, the members on servers that are not there. */
export const joinBench: Bench = {
  name: 'join',
  async run() {
    const measured: Measurement[] = []
    for (const size of sizes) measured.push(...(await measureSize(size)))
    return measured
  },
}

async function measureSize({ members, servers, targetMs }: (typeof sizes)[number]): Promise<Measurement[]> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-bench-join-'))
  try {
    const prepared = await prepareResident(join(directory, 'resident'), members, servers)
    await using relay = await startRelay(join(directory, 'relay'))
    await using resident = await startServer(join(directory, 'resident'), relay.address)
    const founder = prepared.client.through(resident.call)
    const times: JoinTimes[] = []
    // Each by a process that has just started, as people's are.
    for (let index = 0; index < joins; index++) {
      await using joiner = await startServer(join(directory, `joiner-${index}`), relay.address)
      times.push(await measureJoin(founder, joiner, prepared.roomId, members))
    }
    const median = (of: (time: JoinTimes) => number): string => milliseconds(percentile(times.map(of), 0.5))
    const where = `${members.toLocaleString('en')} members of ${servers} servers`
    return [
      { what: `join of a room of ${where}: /join answered (median of ${joins})`, result: median(({ joined }) => joined), limit: '' },
      {
        what: `join of a room of ${where}: usable, a message of the new member acknowledged`,
        result: median(({ usable }) => usable),
        limit: `target ${milliseconds(targetMs)}`,
      },
      { what: `join of a room of ${where}: the message is in the resident's sync`, result: median(({ seen }) => seen), limit: '' },
      { what: `join of a room of ${where}: complete, all members known`, result: median(({ complete }) => complete), limit: '' },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Makes a data directory of a node whose owner founded the room, and lets generated users join. */
async function prepareResident(directory: string, members: number, servers: number) {
  await mkdir(directory, { recursive: true })
  const seed = await loadOrCreateSeed(directory)
  const storage = openSqliteStorage({ path: join(directory, 'homeserver.sqlite'), tableNames: homeserverTableNames })
  const { client, network, homeserver } = await startNode(nodeEngine, storage, seed)
  const { room_id: roomId } = (await client.call('POST', '/v3/createRoom', { preset: 'public_chat' })) as { readonly room_id: string }
  const generated: GeneratedServer[] = []
  for (let index = 0; index < servers; index++) generated.push(await GeneratedServer.create())
  await addMembers(await RoomAuthor.open(client, roomId), network, generated, members, 'member')
  await homeserver[Symbol.asyncDispose]()
  await storage[Symbol.asyncDispose]()
  return { client, roomId }
}

interface RunningServer extends AsyncDisposable {
  readonly call: (request: Request) => Promise<Response>
}

/** Where the two meet; they go on directly. */
async function startRelay(directory: string): Promise<AsyncDisposable & { readonly address: string }> {
  const process = new KithProcess(['relay', '--data', directory, '--port', String(await freePort()), '--host', '127.0.0.1'])
  const [line] = await process.start(relayAddressLine)
  return {
    address: line?.[1] ?? '',
    async [Symbol.asyncDispose]() {
      await process.end('SIGKILL')
    },
  }
}

async function startServer(directory: string, relay: string): Promise<RunningServer> {
  const port = await freePort()
  const own = ['--data', directory, '--client-port', String(port), '--host', '127.0.0.1']
  const process = new KithProcess(['serve', ...own, '--relay', relay, '--log-level', 'error'])
  await process.start(clientApiLine)
  return {
    call: async (request) => {
      const { pathname, search } = new URL(request.url)
      return fetch(`http://127.0.0.1:${port}${pathname}${search}`, request)
    },
    async [Symbol.asyncDispose]() {
      await process.end('SIGKILL')
    },
  }
}

/** All in ms since the join began. */
interface JoinTimes {
  readonly joined: number
  readonly usable: number
  readonly seen: number
  readonly complete: number
}

async function measureJoin(founder: Client, joiner: RunningServer, roomId: string, members: number): Promise<JoinTimes> {
  const client = await Client.register(joiner.call)
  const contact = await founder.call('GET', '/unstable/im.kith/contact')
  await client.call('POST', '/unstable/im.kith/contacts', contact)
  const path = `/v3/rooms/${encodeURIComponent(roomId)}`
  const server = founder.userId.slice(founder.userId.indexOf(':') + 1)
  const { next_batch: since } = await founder.call('GET', '/v3/sync')
  const startedAt = performance.now()
  await client.call('POST', `/v3/join/${encodeURIComponent(roomId)}?server_name=${server}`, {})
  const joined = performance.now() - startedAt
  const eventId = await client.sendMessage(roomId, 'first', 'hello')
  const usable = performance.now() - startedAt
  await untilSeen(founder, roomId, eventId, since as string)
  const seen = performance.now() - startedAt
  for (;;) {
    const { joined: known } = await client.call('GET', `${path}/joined_members`)
    const complete = performance.now() - startedAt
    if (Object.keys(known as object).length > members) return { joined, usable, seen, complete }
    if (complete > completeTimeoutMs) throw new Error(`the room is not complete after ${completeTimeoutMs} ms`)
    await sleep(50)
  }
}

async function untilSeen(client: Client, roomId: string, eventId: string, since: string): Promise<void> {
  const deadline = performance.now() + completeTimeoutMs
  let position = since
  while (performance.now() < deadline) {
    const answer = await client.call('GET', `/v3/sync?since=${position}&timeout=1000`)
    position = answer['next_batch'] as string
    const rooms = answer['rooms'] as {
      readonly join: Record<string, { readonly timeline: { readonly events: readonly { readonly event_id: string }[] } }>
    }
    if (rooms.join[roomId]?.timeline.events.some((event) => event.event_id === eventId) === true) return
  }
  throw new Error('the message of the new member did not reach the resident')
}
