import type { Log } from '@kith/homeserver/ports'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { IDBDatastore } from 'datastore-idb'
import { createLibp2p } from 'libp2p'
import { libp2pKeyOf, type NodeIdentity } from './identity.ts'
import { forgetOldRelays } from './kept-peers.ts'
import { Libp2pPeerNetwork, type KithNetwork } from './libp2p-peer-network.ts'
import {
  circuits,
  CONNECTION_MONITOR_SETTINGS,
  connectionManagerSettings,
  ENCRYPTERS,
  internals,
  MUXERS,
  OPEN_GATER,
  rtcConfiguration,
} from './libp2p-settings.ts'
import { CONNECTIONS_MAX } from './limits.ts'

export type { KithNetwork } from './libp2p-peer-network.ts'
export type { NodeIdentity } from './identity.ts'

export interface BrowserNetworkOptions {
  readonly identity: NodeIdentity
  /** Multiaddrs of relays, each ending in `/p2p/<relay>`. */
  readonly relays: readonly string[]
  /** IndexedDB database for what libp2p remembers of peers. */
  readonly databaseName: string
  /** STUN or TURN URLs that the user chose for WebRTC. */
  readonly iceServers?: readonly string[]
  readonly log: Log
}

/**
 * The peer network of a dedicated worker, not yet started. It dials by WebSocket, WebRTC-direct and circuit, is called through its
 * relays, and replaces circuits by direct WebRTC. `installRtcProxy` must have been called.
 */
export async function createBrowserNetwork(options: BrowserNetworkOptions): Promise<KithNetwork> {
  if (!('RTCPeerConnection' in globalThis)) throw new Error('installRtcProxy must be called before createBrowserNetwork')
  // It takes RTCPeerConnection from the global object while it loads.
  const { webRTC, webRTCDirect } = await import('@libp2p/webrtc')
  const datastore = new IDBDatastore(options.databaseName)
  await datastore.open()
  try {
    const rtc = rtcConfiguration(options.iceServers ?? [])
    const circuit = circuits()
    const libp2p = await createLibp2p({
      start: false,
      privateKey: libp2pKeyOf(options.identity),
      datastore,
      addresses: { listen: ['/webrtc'] },
      connectionManager: connectionManagerSettings(CONNECTIONS_MAX),
      connectionMonitor: CONNECTION_MONITOR_SETTINGS,
      connectionGater: OPEN_GATER,
      connectionEncrypters: ENCRYPTERS,
      streamMuxers: MUXERS,
      transports: [webSockets(), webRTCDirect({ rtcConfiguration: rtc }), webRTC({ rtcConfiguration: rtc }), circuit.transport],
      services: { identify: identify(), identifyPush: identifyPush(), ping: ping(), internals },
    })
    await forgetOldRelays(libp2p.peerStore)
    return new Libp2pPeerNetwork({
      libp2p,
      transports: libp2p.services.internals.transportManager,
      connections: libp2p.services.internals.connectionManager,
      reservations: circuit.reservations(),
      identity: options.identity,
      webRtc: true,
      relays: options.relays,
      log: options.log,
      close: async () => datastore.close(),
    })
  } catch (error) {
    await datastore.close()
    throw error
  }
}
