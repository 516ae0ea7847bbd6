import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { buildCommandIfNeeded } from '../../apps/headless/src/build/build-command.ts'
import { type Server, startConstellation } from '../../e2e/src/headless-constellation.ts'
import { type Bench, type Measurement, p50AndP99, perSecond } from './bench.ts'
import { callOverHttp } from './load/call-over-http.ts'
import { Client } from './load/client.ts'
import { concurrently } from './load/concurrently.ts'
import { measureCommits } from './load/measure-commits.ts'

const senders = 16
const sends = 2_000
const echoCount = 300
/** A node runs for days: what the first requests cost until their code is compiled is not what is asked here. */
const warmUpSends = 1_000
const warmUpEchoes = 50
const polls = 200
const idleMs = 5_000
const newsWhileIdle = 200
/** The kernel counts the time of processes in hundredths of a second. */
const ticksPerSecond = 100

/** One `kith serve` as a process, and its clients on loopback HTTP. */
export const clientsBench: Bench = {
  name: 'clients',
  async run() {
    await using constellation = await startConstellation([[0]], await buildCommandIfNeeded(console.error))
    const [server] = constellation.servers
    if (server === undefined) throw new Error('a server was asked for')
    await sleep(2_000)
    const idle = await measureIdle(server)
    const clients = await register(server)
    const commits = await measureCommitsOfSqlite()
    return [
      idle,
      await measureSends(server, clients, commits),
      await measureEchoes(clients, commits),
      ...(await measurePolls(server, clients)),
    ]
  },
}

async function register(server: Server): Promise<readonly Client[]> {
  const clients: Client[] = []
  for (let index = 0; index < senders; index++) clients.push(await Client.register(callOverHttp(server.baseUrl), `user${index}`))
  return clients
}

async function measureIdle({ process: { pid } }: Server): Promise<Measurement> {
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  try {
    await sleep(500)
    return {
      what: 'memory of an idle node, as npm run serve starts it',
      result: memoryOf(pid),
      limit: `Node itself, doing nothing: ${memoryOf(bare.pid ?? 0)}`,
    }
  } finally {
    bare.kill('SIGKILL')
  }
}

async function measureSends({ process: { pid } }: Server, clients: readonly Client[], commits: readonly number[]): Promise<Measurement> {
  const rooms = await Promise.all(clients.map(async (client) => client.createRoom()))
  const send = async (count: number, name: string): Promise<number> =>
    concurrently(count, senders, async (index) => at(clients, index).sendMessage(at(rooms, index), `${name}${index}`, `message ${index}`))
  await send(warmUpSends, 'warm-up')
  const before = cpuSecondsOf(pid)
  const took = await send(sends, 'send')
  const processorMs = ((cpuSecondsOf(pid) - before) / sends) * 1_000
  const requestsTook = await concurrently(sends, senders, async (index) => at(clients, index).call('GET', '/versions'))
  return {
    what: `events sent by ${senders} clients over HTTP, each in a room of its own`,
    result: `${perSecond((sends / took) * 1_000, 'events')}, ${processorMs.toFixed(2)} ms of processor each`,
    limit: `${perSecond((sends / requestsTook) * 1_000, 'requests')} that do nothing; one commit at a time ${p50AndP99(commits)}`,
  }
}

async function measureEchoes(clients: readonly Client[], commits: readonly number[]): Promise<Measurement> {
  const client = at(clients, 0)
  const roomId = await client.createRoom()
  let since = (await client.call('GET', '/v3/sync'))['next_batch'] as string
  const echoes: number[] = []
  const trips: number[] = []
  for (let index = 0; index < warmUpEchoes + echoCount; index++) {
    const waiting = client.call('GET', `/v3/sync?since=${since}&timeout=10000`)
    const startedAt = performance.now()
    const sending = client.sendMessage(roomId, `echo${index}`, `message ${index}`)
    since = (await waiting)['next_batch'] as string
    echoes.push(performance.now() - startedAt)
    await sending
    const tripAt = performance.now()
    await client.call('GET', '/versions')
    trips.push(performance.now() - tripAt)
  }
  return {
    what: 'a message over HTTP from its sending to the own waiting sync',
    result: p50AndP99(echoes.slice(warmUpEchoes)),
    limit: `a request that does nothing ${p50AndP99(trips.slice(warmUpEchoes))}; a commit ${p50AndP99(commits)}`,
  }
}

/** The storage of the node without the node, on the same disk. */
async function measureCommitsOfSqlite(): Promise<readonly number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'kith-bench-'))
  try {
    await using storage = openSqliteStorage({ path: join(directory, 'raw.sqlite'), tableNames: ['raw'] })
    return await measureCommits(storage, 'raw')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Polls of others that wait: what they cost while nothing happens, and while something happens that concerns none of them. */
async function measurePolls({ process: { pid } }: Server, clients: readonly Client[]): Promise<Measurement[]> {
  const [sender, ...others] = clients
  if (sender === undefined) throw new Error('there are no clients')
  const roomId = await sender.createRoom()
  const talk = async (name: string): Promise<number> => {
    const before = cpuSecondsOf(pid)
    for (let index = 0; index < newsWhileIdle; index++) await sender.sendMessage(roomId, `${name}${index}`, 'not for those who wait')
    return ((cpuSecondsOf(pid) - before) / newsWhileIdle) * 1_000
  }
  const rest = async (): Promise<number> => {
    const before = cpuSecondsOf(pid)
    await sleep(idleMs)
    return ((cpuSecondsOf(pid) - before) / idleMs) * 1_000 * 100
  }
  const restAlone = await rest()
  const talkAlone = await talk('alone')
  const waiting = Array.from({ length: polls }, async (_, index) => {
    const client = at(others, index)
    // A device may have ten that wait, so they are spread over both kinds of sync.
    if (index < others.length * 8) {
      const { next_batch: since } = await client.call('GET', '/v3/sync')
      await client.call('GET', `/v3/sync?since=${since as string}&timeout=30000`)
    } else {
      const body = { conn_id: `poll-${index}`, lists: {} }
      const path = '/unstable/org.matrix.simplified_msc3575/sync'
      const { pos } = await client.call('POST', path, body)
      await client.call('POST', `${path}?pos=${pos as string}&timeout=30000`, body)
    }
  })
  await sleep(2_000)
  const restWaiting = await rest()
  const talkWaiting = await talk('waiting')
  await Promise.all(waiting)
  return [
    {
      what: `processor time while ${polls} long polls wait and nothing happens`,
      result: share(restWaiting),
      limit: `without them ${share(restAlone)}`,
    },
    {
      what: `processor time of one message while ${polls} long polls of others wait`,
      result: `${talkWaiting.toFixed(2)} ms`,
      limit: `without them ${talkAlone.toFixed(2)} ms`,
    },
  ]
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length]
  if (found === undefined) throw new RangeError('the list is empty')
  return found
}

function share(percent: number): string {
  return `${percent.toFixed(1)} % of a core`
}

/** Of the process itself, as the kernel counts it. */
function cpuSecondsOf(pid: number): number {
  // The name of the process, in parentheses, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function memoryOf(pid: number): string {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return `${Math.round(Number(kibibytes) / 1024)} MiB`
}
