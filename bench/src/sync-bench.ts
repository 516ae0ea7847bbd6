import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { type Bench, type Measurement, milliseconds, percentile } from './bench.ts'
import { GeneratedServer } from './load/generated-server.ts'
import { nodeEngine } from './load/node-engine.ts'
import { addMembers, deliver, type Member, RoomAuthor } from './load/room-author.ts'
import { type RunningNode, startNode } from './load/start-node.ts'

const roomCounts = [10, 100, 1_000]
const memberCounts = [10, 10_000]
const samples = 50
const initialSamples = 5
const lazy = encodeURIComponent(JSON.stringify({ room: { state: { lazy_load_members: true } } }))

/** What one answer of /sync costs an account with many rooms, and in a room with many members. */
export const syncBench: Bench = {
  name: 'sync',
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'kith-bench-sync-'))
    try {
      const measured: Measurement[] = []
      for (const count of roomCounts) measured.push(...(await measureRooms(join(directory, `rooms-${count}.sqlite`), count)))
      for (const count of memberCounts) measured.push(...(await measureMembers(join(directory, `members-${count}.sqlite`), count)))
      return measured
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

async function open(path: string): Promise<RunningNode> {
  return startNode(nodeEngine, openSqliteStorage({ path, tableNames: homeserverTableNames }))
}

async function measureRooms(path: string, count: number): Promise<Measurement[]> {
  const node = await open(path)
  let roomId = ''
  for (let index = 0; index < count; index++) roomId = await node.client.createRoom()
  const news = await measureNews(node, async (name) => node.client.sendMessage(roomId, name, name))
  const initial = await measureInitial(node)
  const windows = await measureWindows(node)
  await node.homeserver[Symbol.asyncDispose]()
  const where = `with ${count.toLocaleString('en')} rooms`
  return [
    row(`incremental sync ${where}, one message in one of them`, news),
    row(`initial sync ${where}, lazy members`, initial),
    { ...row(`sliding sync ${where}, the first 20 of them on a new connection`, windows.first), limit: 'goal: 100 ms' },
    row(`sliding sync ${where}, one message in one of them`, windows.news),
  ]
}

/** What a client asks for that shows a list of rooms. */
const roomList = {
  lists: {
    all: {
      ranges: [[0, 19]],
      timeline_limit: 1,
      required_state: [
        ['m.room.name', ''],
        ['m.room.avatar', ''],
        ['m.room.encryption', ''],
        ['m.room.member', '$LAZY'],
        ['m.room.member', '$ME'],
      ],
    },
  },
  extensions: { account_data: { enabled: true }, receipts: { enabled: true }, typing: { enabled: true }, e2ee: { enabled: true } },
}

async function measureWindows({ client }: RunningNode): Promise<{ readonly first: number; readonly news: number }> {
  const path = '/unstable/org.matrix.simplified_msc3575/sync'
  const first: number[] = []
  const news: number[] = []
  let answer: Record<string, unknown> = {}
  for (let index = 0; index < initialSamples; index++) {
    const startedAt = performance.now()
    answer = await client.call('POST', path, { ...roomList, conn_id: `window-${index}` })
    first.push(performance.now() - startedAt)
  }
  const [roomId] = Object.keys(answer['rooms'] as object)
  for (let index = 0; index < samples; index++) {
    await client.sendMessage(roomId ?? '', `window-${index}`, 'news')
    const startedAt = performance.now()
    answer = await client.call('POST', `${path}?pos=${answer['pos'] as string}`, { ...roomList, conn_id: `window-${initialSamples - 1}` })
    news.push(performance.now() - startedAt)
  }
  return { first: percentile(first, 0.5), news: percentile(news, 0.5) }
}

async function measureMembers(path: string, count: number): Promise<Measurement[]> {
  const node = await open(path)
  const { room_id: roomId } = (await node.client.call('POST', '/v3/createRoom', { preset: 'public_chat' })) as { readonly room_id: string }
  const author = await RoomAuthor.open(node.client, roomId)
  const servers: GeneratedServer[] = []
  for (let index = 0; index < 10; index++) servers.push(await GeneratedServer.create())
  const members = await addMembers(author, node.network, servers, count, 'member')
  const member = members[0] as Member
  const receive = async (
    ...event: readonly [type: string, content: { readonly [key: string]: string }, stateKey?: string]
  ): Promise<void> => {
    await deliver(node.network, [await author.write(member, ...event)], member.server)
  }
  for (let index = 0; index < 200; index++) await receive('m.room.message', { msgtype: 'm.text', body: `unread ${index}` })
  const messages = await measureNews(node, async (name) => receive('m.room.message', { msgtype: 'm.text', body: name }))
  const changes = await measureNews(node, async (name) =>
    receive('m.room.member', { membership: 'join', displayname: name }, member.userId),
  )
  const initial = await measureInitial(node)
  await node.homeserver[Symbol.asyncDispose]()
  const where = `in a room of ${count.toLocaleString('en')} members`
  return [
    row(`incremental sync of a message ${where}, 200 unread`, messages),
    row(`incremental sync of a member change ${where}`, changes),
    row(`initial sync ${where}, lazy members`, initial),
  ]
}

async function measureNews({ client }: RunningNode, happen: (name: string) => Promise<unknown>): Promise<number> {
  let since = (await client.call('GET', `/v3/sync?filter=${lazy}`))['next_batch'] as string
  const durations: number[] = []
  for (let index = 0; index < samples; index++) {
    await happen(`news-${performance.now()}`)
    const startedAt = performance.now()
    const answer = await client.call('GET', `/v3/sync?filter=${lazy}&since=${since}`)
    durations.push(performance.now() - startedAt)
    since = answer['next_batch'] as string
  }
  return percentile(durations, 0.5)
}

async function measureInitial({ client }: RunningNode): Promise<number> {
  const durations: number[] = []
  for (let index = 0; index < initialSamples; index++) {
    const startedAt = performance.now()
    await client.call('GET', `/v3/sync?filter=${lazy}`)
    durations.push(performance.now() - startedAt)
  }
  return percentile(durations, 0.5)
}

function row(what: string, duration: number): Measurement {
  return { what: `${what} (median)`, result: milliseconds(duration), limit: '' }
}
