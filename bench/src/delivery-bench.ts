import { setTimeout as sleep } from 'node:timers/promises'
import { buildCommandIfNeeded } from '../../apps/headless/src/build/build-command.ts'
import { type Server, startConstellation } from '../../e2e/src/headless-constellation.ts'
import { type Bench, type Measurement, milliseconds, p50AndP99 } from './bench.ts'
import { ArrivalWatch } from './load/arrival-watch.ts'
import { Client } from './load/client.ts'

const messages = 200
const messagesWhileAway = 50
/** Between messages, so that each is measured alone. */
const pauseMs = 20
const deliveryTimeoutMs = 60_000

interface DeliveriesAnswer {
  readonly next: number
  readonly deliveries: readonly { readonly event_id: string; readonly state: string }[]
}

interface Person {
  readonly server: Server
  readonly client: Client
}

/** Two `kith serve` and a relay, as processes: how long a message takes while both are there, and how long while one is away. */
export const deliveryBench: Bench = {
  name: 'delivery',
  async run() {
    await using constellation = await startConstellation([[0], [0]], await buildCommandIfNeeded(console.error))
    const [first, second] = constellation.servers
    if (first === undefined || second === undefined) throw new Error('two servers were asked for')
    const sender = await registerAt(first)
    const recipient = await registerAt(second)
    const roomId = await sender.client.createRoom([recipient.client.userId])
    await joinWhenInvited(recipient.client, roomId)
    return [await measureDirect(sender, recipient, roomId), ...(await measureAway(sender, recipient, roomId))]
  },
}

async function registerAt(server: Server): Promise<Person> {
  const client = await Client.register(async (request) => {
    const { pathname, search } = new URL(request.url)
    return fetch(`${server.baseUrl}${pathname}${search}`, request)
  })
  return { server, client }
}

async function joinWhenInvited(client: Client, roomId: string): Promise<void> {
  const invited = (answer: Record<string, unknown>): boolean => {
    const { invite } = (answer['rooms'] ?? {}) as { readonly invite?: Record<string, unknown> }
    return invite?.[roomId] !== undefined
  }
  let answer = await client.call('GET', '/v3/sync')
  while (!invited(answer)) answer = await client.call('GET', `/v3/sync?since=${answer['next_batch'] as string}&timeout=10000`)
  await client.call('POST', `/v3/join/${encodeURIComponent(roomId)}`, {})
}

async function measureDirect(sender: Person, recipient: Person, roomId: string): Promise<Measurement> {
  await using watch = await ArrivalWatch.open(recipient.client, roomId)
  const send = async (text: string): Promise<number> => {
    const sentAt = performance.now()
    await sender.client.sendMessage(roomId, text, text)
    return (await watch.arrivalOf(text, deliveryTimeoutMs)) - sentAt
  }
  await send('warm-up')
  const durations: number[] = []
  for (let index = 0; index < messages; index++) {
    durations.push(await send(`direct-${index}`))
    await sleep(pauseMs)
  }
  return { what: `message sent to seen by the other's sync, ${await pathOf(sender.client)}`, result: p50AndP99(durations), limit: '' }
}

/** How the sender reaches its only peer that is not a relay. */
async function pathOf(client: Client): Promise<string> {
  const { peers, relays } = (await client.call('GET', '/unstable/im.kith/network')) as {
    readonly peers: readonly { readonly server: string; readonly path: string; readonly transport: string }[]
    readonly relays: readonly { readonly server: string }[]
  }
  const peer = peers.find(({ server }) => !relays.some((relay) => relay.server === server))
  return peer === undefined ? 'path unknown' : `${peer.path} by ${peer.transport}`
}

async function measureAway(sender: Person, recipient: Person, roomId: string): Promise<Measurement[]> {
  await recipient.server.process.end('SIGKILL')
  const { next } = (await sender.client.call('GET', '/unstable/im.kith/deliveries')) as unknown as DeliveriesAnswer
  let position = next
  const toRelay = async (text: string): Promise<number> => {
    const sentAt = performance.now()
    const eventId = await sender.client.sendMessage(roomId, text, text)
    while (performance.now() - sentAt < deliveryTimeoutMs) {
      const path = `/unstable/im.kith/deliveries?since=${position}&timeout=10000`
      const answer = (await sender.client.call('GET', path)) as unknown as DeliveriesAnswer
      position = answer.next
      if (answer.deliveries.some((delivery) => delivery.event_id === eventId && delivery.state === 'at_relay'))
        return performance.now() - sentAt
    }
    throw new Error('a message did not get to the relay')
  }
  const firstTook = await toRelay('away-first')
  const durations: number[] = []
  for (let index = 0; index < messagesWhileAway; index++) {
    durations.push(await toRelay(`away-${index}`))
    await sleep(pauseMs)
  }
  const startedAt = performance.now()
  await recipient.server.start()
  await using watch = await ArrivalWatch.open(recipient.client, roomId)
  const caughtUpAt = await watch.arrivalOf(`away-${messagesWhileAway - 1}`, deliveryTimeoutMs)
  return [
    { what: "first message after the other's process was killed, until a relay holds it", result: milliseconds(firstTook), limit: '' },
    { what: 'message to somebody away, until a relay holds it', result: p50AndP99(durations), limit: '' },
    {
      what: `start of the process until all ${messagesWhileAway + 1} messages from the relay are in its sync`,
      result: milliseconds(caughtUpAt - startedAt),
      limit: '',
    },
  ]
}
