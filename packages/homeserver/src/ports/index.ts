import type { AppServiceClient } from './app-service-client.ts'
import type { Clock } from './clock.ts'
import type { Crypto } from './crypto.ts'
import type { Log } from './log.ts'
import type { PeerNetwork } from './peer-network.ts'
import type { PushGateway } from './push-gateway.ts'
import type { Random } from './random.ts'
import type { SearchIndex } from './search-index.ts'
import type { Storage } from './storage.ts'
import type { Thumbnailer } from './thumbnailer.ts'
import type { UrlPreviewer } from './url-previewer.ts'

/** Everything through which a node touches the world. */
export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly crypto: Crypto
  readonly storage: Storage
  readonly network: PeerNetwork
  /** Absent: this node does not search in messages. */
  readonly searchIndex?: SearchIndex
  /** Absent: a picture stands for its thumbnail. */
  readonly thumbnailer?: Thumbnailer
  /** Absent where the owner wants none, or no requests can be made outside of the peer network. */
  readonly urlPreviewer?: UrlPreviewer
  /** Absent where no requests can be made outside of the peer network: then there are no pushers. */
  readonly pushGateway?: PushGateway
  /** Absent where the owner has registered no application services. */
  readonly appServiceClient?: AppServiceClient
}

export * from './app-service-client.ts'
export * from './clock.ts'
export * from './crypto.ts'
export * from './log.ts'
export * from './peer-network.ts'
export * from './push-gateway.ts'
export * from './random.ts'
export * from './search-index.ts'
export * from './storage.ts'
export * from './thumbnailer.ts'
export * from './url-previewer.ts'
