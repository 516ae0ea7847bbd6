import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AppServiceRegistration, createHomeserver, type Homeserver } from '@kith/homeserver'
import type { Log, PeerNetwork } from '@kith/homeserver/ports'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { createWebCrypto } from '@kith/homeserver/web-crypto'
import { identityFromSeed } from '@kith/p2p/identity'
import { createNodeNetwork } from '@kith/p2p/node'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { openSqliteSearchIndex } from '@kith/storage/sqlite-search-index'
import { listenForClients } from './client-http.ts'
import { loadOrCreateSeed } from './identity-file.ts'
import { lazyThumbnailer } from './lazy-thumbnailer.ts'
import { nodeClock, nodeRandom } from './node-ports.ts'
import { HttpPushGateway } from './outgoing/http-push-gateway.ts'

export interface ServeOptions {
  readonly dataDirectory: string
  /** The loopback port of the Client-Server API. */
  readonly clientPort: number
  /** The address on which other servers may dial this one. */
  readonly host: string
  /** Multiaddrs with a peer id. */
  readonly relays: readonly string[]
  readonly openRegistration: boolean
  /** Who has one of them may register, too; when there are any, the owner needs one as well. */
  readonly registrationTokens: readonly string[]
  readonly defaultRoomVersion: string
  /** Whether users get previews of the addresses in messages: this node then asks the servers of those pages. */
  readonly urlPreviews: boolean
  /** Whether push gateways may be without TLS and in this network. */
  readonly allowInsecurePush: boolean
  /** Bridges and bots that act as users of this server. */
  readonly appServices?: readonly AppServiceRegistration[]
  readonly log: Log
}

export interface RunningServer extends AsyncDisposable {
  readonly homeserver: Homeserver
  readonly network: PeerNetwork
  readonly clientPort: number
}

/** A homeserver on SQLite with its Client-Server API on loopback HTTP. */
export async function startServe(options: ServeOptions, signal: AbortSignal): Promise<RunningServer> {
  const { dataDirectory, log, appServices = [] } = options
  await mkdir(dataDirectory, { recursive: true })
  await using opened = new AsyncDisposableStack()
  const storage = opened.use(openSqliteStorage({ path: join(dataDirectory, 'homeserver.sqlite'), tableNames: homeserverTableNames }))
  const searchIndex = opened.use(openSqliteSearchIndex(join(dataDirectory, 'search.sqlite')))
  const seed = await loadOrCreateSeed(dataDirectory)
  const crypto = await createWebCrypto(seed)
  const network = opened.use(
    await createNodeNetwork({
      identity: identityFromSeed(seed),
      role: 'homeserver',
      dataDirectory,
      listen: { host: options.host, port: 0 },
      relays: options.relays,
      log,
    }),
  )
  const pushGateway = opened.use(new HttpPushGateway({ allowsInsecure: options.allowInsecurePush }))
  const previews = options.urlPreviews ? { urlPreviewer: opened.use(await openUrlPreviewer(log)) } : {}
  const listening = Promise.withResolvers<void>()
  const client = appServices.length === 0 ? undefined : opened.use(await openAppServiceClient(listening.promise))
  const homeserver = opened.use(
    await createHomeserver(
      {
        clock: nodeClock,
        random: nodeRandom,
        log,
        crypto,
        storage,
        network,
        searchIndex,
        thumbnailer: lazyThumbnailer,
        pushGateway,
        ...previews,
        ...(client === undefined ? {} : { appServiceClient: client }),
      },
      {
        relays: options.relays,
        openRegistration: options.openRegistration || options.registrationTokens.length > 0,
        registrationTokens: options.registrationTokens,
        defaultRoomVersion: options.defaultRoomVersion,
        appServices,
      },
    ),
  )
  const clientHttp = opened.use(await listenForClients(options.clientPort, homeserver.clientApi))
  listening.resolve()
  await network.start(signal)
  const running = opened.move()
  return { homeserver, network, clientPort: clientHttp.port, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** What few nodes use is loaded only by those. */
async function openUrlPreviewer(log: Log) {
  const { HttpUrlPreviewer } = await import('./outgoing/http-url-previewer.ts')
  return new HttpUrlPreviewer({ log })
}

async function openAppServiceClient(ready: Promise<void>) {
  const { HttpAppServiceClient } = await import('./outgoing/http-app-service-client.ts')
  return new HttpAppServiceClient({ ready })
}
