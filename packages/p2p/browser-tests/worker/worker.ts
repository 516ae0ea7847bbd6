import type { Log, PeerRequestHandler } from '@kith/homeserver/ports'
import { parseServerName, type ServerName } from '@kith/matrix-protocol'
import { createBrowserNetwork, type KithNetwork } from '../../src/browser.ts'
import { createIdentity } from '../../src/identity.ts'
import { installRtcProxy } from '../../src/rtc/rtc-proxy.ts'
import type { AnswerMessage, CallMessage, PageCalls } from '../page/page-calls.ts'

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }
const { promise: started, resolve: setStarted } = Promise.withResolvers<KithNetwork>()

const handler: PeerRequestHandler = async (origin, request) => {
  if (new URL(request.url).pathname === '/who') return new Response(origin)
  return new Response(await request.arrayBuffer())
}

const calls: PageCalls = {
  start: async (relays) => {
    const identity = createIdentity(random)
    const network = await createBrowserNetwork({ identity, relays, databaseName: 'p2p-test', log })
    network.serve(handler)
    await network.start(AbortSignal.timeout(20_000))
    setStarted(network)
    return identity.serverName
  },
  learn: async (server, addresses) => (await started).learnAddresses(nameOf(server), addresses),
  echo: async (server, length) => {
    const body = crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)))
    const whole = new Uint8Array(length)
    for (let at = 0; at < length; at += body.byteLength) whole.set(body.subarray(0, Math.min(body.byteLength, length - at)), at)
    const response = await ask(server, '/echo', { method: 'POST', body: whole })
    const answer = new Uint8Array(await response.arrayBuffer())
    return answer.every((byte, at) => byte === whole[at]) ? answer.byteLength : -1
  },
  whoAmI: async (server) => (await ask(server, '/who')).text(),
  addresses: async () => (await started).addresses(),
  connections: async () => (await started).connections(),
}

async function ask(server: string, path: string, init?: RequestInit): Promise<Response> {
  const network = await started
  return network.request(nameOf(server), new Request(`https://${server}${path}`, init), AbortSignal.timeout(20_000))
}

function nameOf(text: string): ServerName {
  const name = parseServerName(text)
  if (name === undefined) throw new Error('not a server name')
  return name
}

async function answer({ id, name, parameters }: CallMessage): Promise<AnswerMessage> {
  try {
    const call: (...parameters: never[]) => Promise<unknown> = calls[name]
    return { id, value: await call(...(parameters as never[])) }
  } catch (error) {
    return { id, error: error instanceof Error ? `${error.name}: ${error.message}` : 'unknown' }
  }
}

addEventListener('message', ({ data, ports }: MessageEvent<CallMessage | 'rtc'>) => {
  const [port] = ports
  if (data === 'rtc' && port !== undefined) installRtcProxy(port)
  else if (data !== 'rtc') void answer(data).then((message) => postMessage(message))
})
