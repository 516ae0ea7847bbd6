import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { KithProcess } from './kith-process.ts'

const CLIENT_API = /^client API at (http:\/\/127\.0\.0\.1:\d+)$/
const WEB_SOCKET_ADDRESS = /^listening on (\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\/\S+)$/

/** One `kith serve` with its fixed client port. */
export interface Server {
  readonly process: KithProcess
  readonly baseUrl: string
  readonly dataDirectory: string
  start(): Promise<void>
}

/** A relay and servers that know it, as real processes on loopback with data of their own. */
export interface Constellation extends AsyncDisposable {
  readonly relay: KithProcess
  readonly servers: readonly Server[]
  startRelay(): Promise<void>
}

export async function startConstellation(serverCount: number): Promise<Constellation> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-e2e-'))
  const relayPort = await freePort()
  const relay = new KithProcess(['relay', '--data', join(directory, 'relay'), '--port', String(relayPort), '--host', '127.0.0.1'])
  const [address] = await relay.start(WEB_SOCKET_ADDRESS)
  const servers: Server[] = []
  for (let index = 0; index < serverCount; index += 1) {
    servers.push(await createServer(join(directory, `server-${index}`), [address?.[1] ?? '']))
  }
  await Promise.all(servers.map((server) => server.start()))
  return {
    relay,
    servers,
    startRelay: async () => {
      await relay.start(WEB_SOCKET_ADDRESS)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([relay, ...servers.map((server) => server.process)].map((process) => process.end('SIGKILL')))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Not yet started. Anybody who reaches its client port may register. */
export async function createServer(dataDirectory: string, relayAddresses: readonly string[]): Promise<Server> {
  const clientPort = await freePort()
  const process = new KithProcess([
    'serve',
    '--data',
    dataDirectory,
    '--client-port',
    String(clientPort),
    '--host',
    '127.0.0.1',
    '--open-registration',
    ...relayAddresses.flatMap((address) => ['--relay', address]),
  ])
  return {
    process,
    baseUrl: `http://127.0.0.1:${clientPort}`,
    dataDirectory,
    start: async () => {
      await process.start(CLIENT_API)
    },
  }
}
