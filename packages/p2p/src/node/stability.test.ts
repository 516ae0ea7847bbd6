import { createServer } from 'node:net'
import { createSocket } from 'node:dgram'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { transportOf } from '../addresses.ts'
import { identityFromSeed } from '../identity.ts'
import { DIAL_ADDRESS_MS_MAX } from '../limits.ts'
import { createNodeNetwork, PortUnavailableError } from './node.ts'
import { quietLog, startNode, startRelay, untilAddresses } from './node-pairs.test-support.ts'
import { RELAY_IDENTITY, startRelayProcess } from './relay-process.test-support.ts'

const identity = identityFromSeed(new Uint8Array(32).fill(5))
const WAIT = { timeout: 15_000, interval: 50 }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kith-p2p-'))
})
afterEach(async () => rm(directory, { recursive: true }))

const fine = async (): Promise<Response> => new Response('fine')

test('a relay keeps its addresses when it is killed and started again, the certificate hash included', { timeout: 30_000 }, async () => {
  const first = await startRelayProcess(directory)
  await first.kill()
  expect(first.addresses).toHaveLength(3)
  expect(first.addresses.some((address) => address.includes('/certhash/'))).toBe(true)
  expect(first.addresses.every((address) => address.endsWith(`/p2p/${RELAY_IDENTITY.peerId}`))).toBe(true)
  const second = await startRelayProcess(directory)
  expect(second.addresses).toEqual(first.addresses)
  expect(await second.stop()).toBe(0)
})

test('what is secret can be read by its owner only', async () => {
  const relay = await startRelay({ identity, dataDirectory: directory })
  await relay.network[Symbol.asyncDispose]()
  const path = join(directory, 'webrtc-certificate.json')
  expect((await stat(path)).mode & 0o077).toBe(0)
  expect(await readFile(path, 'utf8')).toContain('PRIVATE KEY')
})

test.each(['TCP', 'UDP'] as const)('a taken %s port gives an error that names it', async (protocol) => {
  await using taken = await takePort(protocol)
  const created = createNodeNetwork({ identity, role: 'relay', relays: [], log: quietLog, listen: { host: '127.0.0.1', port: taken.port } })
  await expect(created).rejects.toThrow(PortUnavailableError)
  await expect(created).rejects.toThrow(`${protocol} port ${taken.port} is not available: another program is using it`)
})

test('a remembered port that is taken meanwhile is replaced', async () => {
  const settings = { identity, dataDirectory: directory, listen: { host: '127.0.0.1', port: 0, transports: ['tcp'] as const } }
  const first = await startRelay(settings)
  const port = Number(/\/tcp\/(\d+)/.exec(first.network.addresses()[0] ?? '')?.[1])
  await first.network[Symbol.asyncDispose]()
  await using _taken = await takePort('TCP', port)
  const second = await startRelay(settings)
  expect(second.network.addresses()[0]).not.toContain(`/tcp/${port}`)
  await second.network[Symbol.asyncDispose]()
})

test.each(['tcp', 'websocket', 'webrtc-direct'])(
  'a node comes back to its relay by %s after the relay was killed',
  { timeout: 60_000 },
  async (transport) => {
    const first = await startRelayProcess(directory)
    const relays = first.addresses.filter((address) => transportOf(multiaddr(address)) === transport)
    const node = await startNode(fine, { relays })
    const friend = await startNode(fine, { relays })
    await using _node = node.network
    await using _friend = friend.network
    await untilAddresses(node, isCircuit)

    await first.kill()
    await vi.waitFor(() => expect(node.network.addresses().some(isCircuit)).toBe(false), WAIT)
    const second = await startRelayProcess(directory)
    await vi.waitFor(() => expect(node.network.addresses().some(isCircuit)).toBe(true), WAIT)
    friend.network.learnAddresses(node.server, node.network.addresses())
    const response = await friend.network.request(node.server, new Request(`https://${node.server}/`), AbortSignal.timeout(15_000))
    expect(await response.text()).toBe('fine')
    await second.kill()
  },
)

test('a relay with live connections stops cleanly', { timeout: 60_000 }, async () => {
  const relay = await startRelayProcess(directory)
  const node = await startNode(fine, { relays: relay.addresses.filter((address) => address.includes('webrtc-direct')) })
  await using _node = node.network
  await untilAddresses(node, isCircuit)
  expect(await relay.stop()).toBe(0)
})

test('a connection outlives the time limit of its dial', { timeout: 30_000 }, async () => {
  const relay = await startRelay({ listen: { host: '127.0.0.1', port: 0, transports: ['tcp'] } })
  await using _relay = relay.network
  const node = await startNode(fine)
  await using network = node.network
  network.learnAddresses(relay.server, relay.network.addresses())
  await network.request(relay.server, new Request(`https://${relay.server}/`), AbortSignal.timeout(10_000))
  const events: string[] = []
  network.watchPeers(({ kind }) => events.push(kind), AbortSignal.timeout(20_000))
  await setTimeout(DIAL_ADDRESS_MS_MAX + 1_000)
  expect(events).toEqual([])
})

test('relays can be chosen and dropped while the node runs', { timeout: 60_000 }, async () => {
  const relay = await startRelay()
  await using _relay = relay.network
  const node = await startNode(fine)
  await using network = node.network
  expect(network.addresses()).toEqual([])
  network.chooseRelays(relay.network.addresses())
  await vi.waitFor(() => expect(network.addresses().some(isCircuit)).toBe(true), WAIT)
  network.chooseRelays([])
  await vi.waitFor(() => expect(network.addresses().some(isCircuit)).toBe(false), WAIT)
  network.chooseRelays(relay.network.addresses())
  await vi.waitFor(() => expect(network.addresses().some(isCircuit)).toBe(true), WAIT)
})

test('a relay chosen in an earlier run is not used unless it is chosen again', { timeout: 60_000 }, async () => {
  const relay = await startRelay()
  await using _relay = relay.network
  const first = await startNode(fine, { identity, dataDirectory: directory, relays: relay.network.addresses() })
  await untilAddresses(first, isCircuit)
  await first.network[Symbol.asyncDispose]()

  const without = await startNode(fine, { identity, dataDirectory: directory })
  await setTimeout(1_000)
  expect(without.network.connections()).toEqual([])
  await without.network[Symbol.asyncDispose]()

  const again = await startNode(fine, { identity, dataDirectory: directory, relays: relay.network.addresses() })
  await untilAddresses(again, isCircuit)
  await again.network[Symbol.asyncDispose]()
})

function isCircuit(address: string): boolean {
  return address.includes('/p2p-circuit')
}

async function takePort(protocol: 'TCP' | 'UDP', port = 0): Promise<{ readonly port: number } & AsyncDisposable> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (protocol === 'UDP') {
    const socket = createSocket('udp4').bind({ address: '127.0.0.1', port, exclusive: true }, resolve)
    await promise
    return { port: socket.address().port, [Symbol.asyncDispose]: async () => void socket.close() }
  }
  const server = createServer().listen({ host: '127.0.0.1', port, exclusive: true }, resolve)
  await promise
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('expected an address')
  return { port: address.port, [Symbol.asyncDispose]: async () => void server.close() }
}
