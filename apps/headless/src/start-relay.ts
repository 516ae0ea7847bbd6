import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createRelay } from '@kith/homeserver'
import type { Log, PeerNetwork } from '@kith/homeserver/ports'
import { relayTableNames } from '@kith/homeserver/storage-schema'
import { createWebCrypto } from '@kith/homeserver/web-crypto'
import { identityFromSeed } from '@kith/p2p/identity'
import { createNodeNetwork } from '@kith/p2p/node'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { loadOrCreateSeed } from './identity-file.ts'
import { nodeClock, nodeRandom } from './node-ports.ts'

export interface RelayOptions {
  readonly dataDirectory: string
  /** The address to listen on, such as `0.0.0.0` or `127.0.0.1`. */
  readonly host: string
  /** For WebSockets (TCP) and WebRTC-direct (UDP). */
  readonly port: number
  readonly log: Log
}

export interface RunningRelay extends AsyncDisposable {
  readonly network: PeerNetwork
}

/** A relay: mailboxes, circuit relaying and signalling for others. */
export async function startRelay(options: RelayOptions, signal: AbortSignal): Promise<RunningRelay> {
  const { dataDirectory, log } = options
  await mkdir(dataDirectory, { recursive: true })
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(openSqliteStorage({ path: join(dataDirectory, 'relay.sqlite'), tableNames: relayTableNames }))
  const seed = await loadOrCreateSeed(dataDirectory)
  const crypto = await createWebCrypto(seed)
  const network = opened.use(
    await createNodeNetwork({
      identity: identityFromSeed(seed),
      role: 'relay',
      dataDirectory,
      listen: { host: options.host, port: options.port },
      relays: [],
      log,
    }),
  )
  opened.use(await createRelay({ clock: nodeClock, random: nodeRandom, log, crypto, storage, network }, {}))
  await network.start(signal)
  const running = opened.move()
  return { network, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
