import { type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { createHomeserver, type Homeserver } from '@kith/homeserver'
import type { Clock, Crypto, Log, Random, Storage } from '@kith/homeserver/ports'
import { createWebCrypto } from '@kith/homeserver/web-crypto'
import { Client } from './client.ts'
import { LoopbackNetwork } from './loopback-network.ts'

export interface RunningNode {
  readonly serverName: ServerName
  readonly network: LoopbackNetwork
  readonly homeserver: Homeserver
  readonly client: Client
}

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** A homeserver with one account, reached by no network but calls in the same thread. */
export async function startNode(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  storage: Storage,
  seed: Uint8Array = random.bytes(32),
): Promise<RunningNode> {
  const crypto: Crypto = await createWebCrypto(seed)
  const serverName = serverNameFromPublicKey(crypto.publicKey)
  const network = new LoopbackNetwork(serverName)
  const ports = { clock, random, log: silent, crypto, storage, network }
  const homeserver = await createHomeserver(ports, { relays: [], openRegistration: false })
  const client = await Client.register(async (request) => homeserver.clientApi(request))
  return { serverName, network, homeserver, client }
}
