import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createStderrLog, startRelay } from '@kith/headless'
import { buildPageIfNeeded } from './build-page.ts'
import { servePage, type PageConfig } from './page-server.ts'
import { offeredAddresses } from './offered-addresses.ts'
import { readSettings, StartError, type StartSettings } from './settings.ts'

const RELAY_HOST = '127.0.0.1'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const directory = fileURLToPath(new URL('../../dist/', import.meta.url))

/** `npm start`: builds the page when needed, runs a relay, and serves the page until it is stopped. */
async function start(): Promise<void> {
  const settings = readSettings(process.env, root)
  const stopping = new AbortController()
  const terminated = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => stopping.abort())
  await buildPageIfNeeded(root, directory, print)
  if (stopping.signal.aborted) return
  let config: () => PageConfig | undefined = () => undefined
  // Before the relay, whose start and stop take longer: a taken port is told at once.
  await using page = await servePage({ directory, port: settings.port, config: () => config() })
  await using relay = await startOwnRelay(settings, stopping.signal)
  config = () => ({ relays: offeredAddresses(relay.network.addresses(), settings.relayTransports) })
  print(`Kith is ready at http://localhost:${page.port}`)
  await terminated
}

async function startOwnRelay({ dataDirectory, relayPort }: StartSettings, signal: AbortSignal) {
  try {
    return await startRelay({ dataDirectory, host: RELAY_HOST, port: relayPort, log: createStderrLog('warn') }, signal)
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'PortUnavailableError') throw error
    throw new StartError(
      `Port ${relayPort} is taken. Choose another with RELAY_PORT, for example: RELAY_PORT=${relayPort + 10} npm start`,
      {
        cause: error,
      },
    )
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  await start()
} catch (error) {
  process.stderr.write(error instanceof StartError ? `${error.message}\n` : `Kith did not start: ${String(error)}\n`)
  process.exitCode = 1
}
// Everything is stored and closed. What may still hold the process are sockets of native code, which linger for some seconds.
process.exit()
