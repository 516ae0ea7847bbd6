import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { KithProcess } from './kith-process.ts'

const CLIENT_API = /^client API at (http:\/\/127\.0\.0\.1:\d+)$/
const WEB_SOCKET_ADDRESS = /^listening on (\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\/\S+)$/

/** A process that can be started again where it was. */
export interface Restartable {
  readonly process: KithProcess
  start(): Promise<void>
}

/** One `kith serve` with its fixed client port. */
export interface Server extends Restartable {
  readonly baseUrl: string
  readonly dataDirectory: string
}

/** Relays, and servers that know one or more of them, as real processes on loopback with data of their own. */
export interface Constellation extends AsyncDisposable {
  readonly relays: readonly Restartable[]
  readonly servers: readonly Server[]
}

/**
 * @param relaysOfServers for each server the numbers of its relays.
 * @param command a built one; the sources otherwise.
 */
export async function startConstellation(relaysOfServers: readonly (readonly number[])[], command?: string): Promise<Constellation> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-e2e-'))
  const relayCount = Math.max(...relaysOfServers.flat()) + 1
  const relays = await Promise.all(
    Array.from({ length: relayCount }, async (_, index) => startRelay(join(directory, `relay-${index}`), await freePort(), command)),
  )
  const servers: Server[] = []
  for (const [index, relaysOfServer] of relaysOfServers.entries()) {
    const addresses = relaysOfServer.map((relay) => relays[relay]?.address ?? '')
    servers.push(await createServer(join(directory, `server-${index}`), addresses, [], command))
  }
  await Promise.all(servers.map((server) => server.start()))
  return {
    relays,
    servers,
    async [Symbol.asyncDispose]() {
      await Promise.all([...relays, ...servers].map(({ process }) => process.end('SIGKILL')))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function startRelay(
  dataDirectory: string,
  port: number,
  command: string | undefined,
): Promise<Restartable & { readonly address: string }> {
  const process = new KithProcess(['relay', '--data', dataDirectory, '--port', String(port), '--host', '127.0.0.1'], command)
  const [address] = await process.start(WEB_SOCKET_ADDRESS)
  return {
    process,
    address: address?.[1] ?? '',
    start: async () => {
      await process.start(WEB_SOCKET_ADDRESS)
    },
  }
}

/** Not yet started. Anybody who reaches its client port may register. */
export async function createServer(
  dataDirectory: string,
  relayAddresses: readonly string[],
  options: readonly string[] = [],
  command?: string,
): Promise<Server> {
  const clientPort = await freePort()
  const own = ['--data', dataDirectory, '--client-port', String(clientPort), '--host', '127.0.0.1', '--open-registration']
  const relays = relayAddresses.flatMap((address) => ['--relay', address])
  const process = new KithProcess(['serve', ...own, ...relays, ...options], command)
  return {
    process,
    baseUrl: `http://127.0.0.1:${clientPort}`,
    dataDirectory,
    start: async () => {
      await process.start(CLIENT_API)
    },
  }
}
