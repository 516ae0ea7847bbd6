import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { openSqliteStorage } from '@kith/storage/sqlite'
import type { Pdu } from '@kith/matrix-protocol'
import { type Bench, type Measurement, perSecond } from './bench.ts'
import { concurrently } from './load/concurrently.ts'
import { CountingStorage } from './load/counting-storage.ts'
import { GeneratedServer } from './load/generated-server.ts'
import { nodeEngine } from './load/node-engine.ts'
import { addMembers, deliver, type Member, RoomAuthor } from './load/room-author.ts'
import { type RunningNode, startNode } from './load/start-node.ts'

const lengths = [1_000, 10_000, 100_000]
const memberCounts = [10, 100, 1_000, 10_000]
const serversWithManyMembers = 10
const sample = 400
const sendsAtOnce = 16

interface Cost {
  /** Events a second. */
  readonly rate: number
  /** Of the processor, in µs: what else the machine does meanwhile changes it little. */
  readonly cpu: number
  readonly rows: number
  readonly bytes: number
}

type Kind = 'message sent' | 'message received' | 'member change sent' | 'member change received'
type Costs = ReadonlyMap<Kind, Cost>

/** What one event costs in rooms of many events and of many members, as ratios to the smallest room. */
export const eventCostBench: Bench = {
  name: 'event-cost',
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'kith-bench-cost-'))
    let databases = 0
    const open = (): CountingStorage =>
      new CountingStorage(openSqliteStorage({ path: join(directory, `${databases++}.sqlite`), tableNames: homeserverTableNames }))
    try {
      // The first node is slower than all that follow, whatever it does.
      await measureMembers(open(), 10, 1)
      const byLength = await measureLengths(open())
      const byMembers: (readonly [string, Costs])[] = []
      for (const count of memberCounts) {
        const costs = await measureMembers(open(), count, Math.min(count, serversWithManyMembers))
        byMembers.push([`a room of ${count.toLocaleString('en')} members of ${Math.min(count, serversWithManyMembers)} servers`, costs])
      }
      byMembers.push(['a room of 1,000 members of 1,000 servers', await measureMembers(open(), 1_000, 1_000)])
      return [...table(byLength), ...table(byMembers)]
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

async function measureLengths(counting: CountingStorage): Promise<(readonly [string, Costs])[]> {
  const node = await startNode(nodeEngine, counting.storage)
  const room = await makeRoom(node, 10, 2)
  const measured: (readonly [string, Costs])[] = []
  let length = 0
  for (const wanted of lengths) {
    for (; length < wanted; length += 1_000) await deliver(node.network, await writeMessages(room, 1_000), room.member.server)
    measured.push([`a room of ${wanted.toLocaleString('en')} events`, await measureKinds(node, counting, room)])
  }
  await node.homeserver[Symbol.asyncDispose]()
  return measured
}

async function measureMembers(counting: CountingStorage, members: number, servers: number): Promise<Costs> {
  const node = await startNode(nodeEngine, counting.storage)
  const costs = await measureKinds(node, counting, await makeRoom(node, members, servers))
  await node.homeserver[Symbol.asyncDispose]()
  return costs
}

interface MeasuredRoom {
  readonly roomId: string
  readonly author: RoomAuthor
  readonly member: Member
}

async function makeRoom({ client, network }: RunningNode, members: number, servers: number): Promise<MeasuredRoom> {
  const { room_id: roomId } = (await client.call('POST', '/v3/createRoom', { preset: 'public_chat' })) as { readonly room_id: string }
  const author = await RoomAuthor.open(client, roomId)
  const generated: GeneratedServer[] = []
  for (let index = 0; index < servers; index++) generated.push(await GeneratedServer.create())
  const [member] = await addMembers(author, network, generated, members, 'member')
  if (member === undefined) throw new Error('the room has no members')
  return { roomId, author, member }
}

async function writeMessages({ author, member }: MeasuredRoom, count: number): Promise<Pdu[]> {
  const pdus: Pdu[] = []
  for (let index = 0; index < count; index++)
    pdus.push(await author.write(member, 'm.room.message', { msgtype: 'm.text', body: `message ${index}` }))
  return pdus
}

async function measureKinds(node: RunningNode, counting: CountingStorage, room: MeasuredRoom): Promise<Costs> {
  const { client, network } = node
  const { author, member, roomId } = room
  const { userId } = client
  const path = `/v3/rooms/${encodeURIComponent(roomId)}`
  let round = 0
  const measure = async (deliverAll: () => Promise<number>): Promise<Cost> => {
    const before = counting.count
    const cpuBefore = process.cpuUsage()
    const took = await deliverAll()
    const { user, system } = process.cpuUsage(cpuBefore)
    const { rows, bytes } = counting.count
    return {
      rate: (sample / took) * 1000,
      cpu: (user + system) / sample,
      rows: (rows - before.rows) / sample,
      bytes: (bytes - before.bytes) / sample,
    }
  }
  const received = async (pdus: readonly Pdu[]): Promise<Cost> => measure(async () => deliver(network, pdus, member.server))
  const sent = async (action: (name: string) => Promise<unknown>): Promise<Cost> => {
    const cost = await measure(async () => concurrently(sample, sendsAtOnce, async (index) => action(`${Date.now()}-${round++}-${index}`)))
    await author.followOwn(client, sample)
    return cost
  }
  const costs = new Map<Kind, Cost>()
  costs.set('message received', await received(await writeMessages(room, sample)))
  costs.set('message sent', await sent(async (name) => client.sendMessage(roomId, name, name)))
  const changes: Pdu[] = []
  for (let index = 0; index < sample; index++)
    changes.push(await author.write(member, 'm.room.member', { membership: 'join', displayname: `Name ${index}` }, member.userId))
  costs.set('member change received', await received(changes))
  costs.set(
    'member change sent',
    await sent(async (name) => client.call('PUT', `${path}/state/m.room.member/${userId}`, { membership: 'join', displayname: name })),
  )
  return costs
}

function table(measured: readonly (readonly [string, Costs])[]): Measurement[] {
  const [smallest] = measured
  return measured.flatMap(([where, costs]) =>
    [...costs].map(([kind, cost]) => {
      const base = smallest?.[1].get(kind) ?? cost
      return {
        what: `${kind}, in ${where}`,
        result: `${perSecond(cost.rate, 'events')}, ${Math.round(cost.cpu).toLocaleString('en')} µs of CPU, ${cost.rows.toFixed(1)} rows, ${Math.round(cost.bytes).toLocaleString('en')} bytes each`,
        limit: `to the smallest: CPU ×${(cost.cpu / base.cpu).toFixed(2)}, rows ×${(cost.rows / base.rows).toFixed(2)}, bytes ×${(cost.bytes / base.bytes).toFixed(2)}`,
      }
    }),
  )
}
