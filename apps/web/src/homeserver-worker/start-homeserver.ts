import { createHomeserver } from '@kith/homeserver'
import { homeserverSchemaVersion, homeserverTableNames } from '@kith/homeserver/storage-schema'
import { createWebCrypto } from '@kith/homeserver/web-crypto'
import { createBrowserNetwork } from '@kith/p2p/browser'
import { identityFromSeed } from '@kith/p2p/identity'
import { openDexieStorage } from '@kith/storage/dexie'
import { openWasmSearchIndex } from '@kith/storage/wasm-search-index'
import type { NodeStartStep } from '../node-port/messages.ts'
import type { AnswerRequest } from '../node-port/serve-node-ports.ts'
import { browserClock, browserRandom } from './browser-ports.ts'
import { canvasThumbnailer } from './canvas-thumbnailer.ts'
import { consoleLog } from './console-log.ts'
import { IdentityDatabase } from './identity-database.ts'
import { fetchServedRelays } from './served-relays.ts'

const HOMESERVER_DATABASE = 'kith-homeserver'
const NETWORK_DATABASE = 'kith-network'
const SEARCH_DIRECTORY = 'kith-search'

export interface StartedHomeserver {
  readonly serverName: string
  readonly answer: AnswerRequest
}

/** Brings the node up; it runs until the worker ends. It is ready before the network is: offline is no obstacle. */
export async function startHomeserver(report: (step: NodeStartStep) => void): Promise<StartedHomeserver> {
  report('opening-identity')
  const { seed, relays } = await openIdentity()
  const identity = identityFromSeed(seed)
  const crypto = await createWebCrypto(seed)
  report('opening-storage')
  const storage = await openDexieStorage({ name: HOMESERVER_DATABASE, tableNames: homeserverTableNames, version: homeserverSchemaVersion })
  report('starting-network')
  const network = await createBrowserNetwork({ identity, relays, databaseName: NETWORK_DATABASE, log: consoleLog })
  report('starting-homeserver')
  const homeserver = await createHomeserver(
    {
      clock: browserClock,
      random: browserRandom,
      log: consoleLog,
      crypto,
      storage,
      network,
      thumbnailer: canvasThumbnailer,
      searchIndex: openWasmSearchIndex(SEARCH_DIRECTORY),
    },
    { relays, openRegistration: false },
  )
  network
    .start(new AbortController().signal)
    .catch((error: unknown) => consoleLog.error('the network did not start', { error: String(error) }))
  return { serverName: identity.serverName, answer: homeserver.clientApi }
}

async function openIdentity() {
  const served = fetchServedRelays()
  using database = await IdentityDatabase.open()
  const seed = await database.seed()
  const relays = await served
  if (relays !== undefined) await database.putRelays(relays)
  return { seed, relays: relays ?? (await database.relays()) }
}
