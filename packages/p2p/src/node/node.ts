import type { Log } from '@kith/homeserver/ports'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify, identifyPush } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { LevelDatastore } from 'datastore-level'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { mkdir } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { libp2pKeyOf, type NodeIdentity } from '../identity.ts'
import { forgetOldRelays } from '../kept-peers.ts'
import { Libp2pPeerNetwork, type KithNetwork } from '../libp2p-peer-network.ts'
import {
  circuits,
  CONNECTION_MONITOR_SETTINGS,
  connectionManagerSettings,
  ENCRYPTERS,
  internals,
  MUXERS,
  OPEN_GATER,
  rtcConfiguration,
} from '../libp2p-settings.ts'
import { CIRCUITS_PER_CONNECTION_MAX, CONNECTIONS_MAX, RELAY_CONNECTIONS_MAX, RESERVATIONS_MAX } from '../limits.ts'
import { holdCandidates } from './hold-candidates.ts'
import { lingerUdpSockets } from './linger-udp-sockets.ts'
import { choosePorts, type Ports } from './listen-ports.ts'
import { rotateChannelIds } from './rotate-channel-ids.ts'
import { loadWebRtcCertificate } from './webrtc-certificate.ts'

export { PortUnavailableError } from './listen-ports.ts'
export type { KithNetwork } from '../libp2p-peer-network.ts'
export type { NodeIdentity } from '../identity.ts'

export interface NodeListenOptions {
  /** An IP address of this device; `0.0.0.0` for all. */
  readonly host: string
  /** TCP port for WebSockets and UDP port for WebRTC-direct. 0: chosen once and remembered in the data directory. */
  readonly port: number
  /** Port for plain TCP. 0, the default: chosen once and remembered. */
  readonly tcpPort?: number
  /** Default: all. */
  readonly transports?: readonly ('tcp' | 'websocket' | 'webrtc-direct')[]
  /** Further multiaddrs at which this node can be dialled, as behind a proxy with a certificate: `/dns4/relay.example/tcp/443/wss`. */
  readonly announce?: readonly string[]
}

export interface NodeNetworkOptions {
  readonly identity: NodeIdentity
  /** `relay`: others may be called through this node. `homeserver`: it is itself called through its relays. */
  readonly role: 'relay' | 'homeserver'
  /** Multiaddrs of relays, each ending in `/p2p/<relay>`. */
  readonly relays: readonly string[]
  /** Absent: the node only dials, and is called through its relays. */
  readonly listen?: NodeListenOptions
  /** Keeps what makes addresses stable over restarts. Absent: everything is forgotten. One process at a time. */
  readonly dataDirectory?: string
  /** STUN or TURN URLs that the user chose for WebRTC. */
  readonly iceServers?: readonly string[]
  readonly log: Log
}

/**
 * The peer network of a Node process, not yet started.
 * @throws PortUnavailableError when a port that was asked for is taken.
 */
export async function createNodeNetwork(options: NodeNetworkOptions): Promise<KithNetwork> {
  rotateChannelIds()
  holdCandidates()
  const { dataDirectory } = options
  if (dataDirectory !== undefined) await mkdir(dataDirectory, { recursive: true })
  const ports = options.listen === undefined ? {} : await choosePorts(options.listen.host, portWishes(options.listen), dataDirectory)
  const datastore = dataDirectory === undefined ? undefined : new LevelDatastore(join(dataDirectory, 'libp2p'))
  await datastore?.open()
  try {
    const circuit = circuits()
    const { libp2p, parts } = await createNode(options, ports, circuit, datastore)
    await forgetOldRelays(libp2p.peerStore)
    return new Libp2pPeerNetwork({
      libp2p,
      transports: parts.transportManager,
      connections: parts.connectionManager,
      reservations: options.role === 'homeserver' ? circuit.reservations() : undefined,
      identity: options.identity,
      webRtc: options.role === 'homeserver',
      relays: options.relays,
      log: options.log,
      close: async () => datastore?.close(),
    })
  } catch (error) {
    await datastore?.close()
    throw error
  }
}

type NodeServices = { readonly internals: ReturnType<typeof internals> }

async function createNode(
  options: NodeNetworkOptions,
  ports: Ports,
  circuit: ReturnType<typeof circuits>,
  datastore: LevelDatastore | undefined,
): Promise<{ libp2p: Libp2p; parts: NodeServices['internals'] }> {
  const relay = options.role === 'relay'
  const rtc = rtcConfiguration(options.iceServers ?? [])
  const certificate = await loadWebRtcCertificate(options.dataDirectory)
  const listen = listenAddresses(options.listen?.host ?? '', ports)
  const settings = {
    start: false,
    privateKey: libp2pKeyOf(options.identity),
    ...(datastore === undefined ? {} : { datastore }),
    addresses: { listen: relay ? listen : [...listen, '/webrtc'], appendAnnounce: [...(options.listen?.announce ?? [])] },
    connectionManager: connectionManagerSettings(relay ? RELAY_CONNECTIONS_MAX : CONNECTIONS_MAX),
    connectionMonitor: CONNECTION_MONITOR_SETTINGS,
    connectionGater: OPEN_GATER,
    connectionEncrypters: ENCRYPTERS,
    streamMuxers: MUXERS,
    transports: [
      tcp(),
      webSockets(),
      lingerUdpSockets(webRTCDirect({ certificate, rtcConfiguration: rtc })),
      ...(relay ? [] : [webRTC({ rtcConfiguration: rtc }), circuit.transport]),
    ],
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      internals,
      ...(relay ? { circuits: circuitServer() } : {}),
    },
  } satisfies Libp2pOptions
  const libp2p = await createLibp2p(settings)
  return { libp2p, parts: libp2p.services.internals }
}

/** Circuits without limits of time and data, which would end a chat after two minutes; how many there are is limited instead. */
function circuitServer(): ReturnType<typeof circuitRelayServer> {
  return circuitRelayServer({
    reservations: { maxReservations: RESERVATIONS_MAX, applyDefaultLimit: false },
    maxInboundHopStreams: CIRCUITS_PER_CONNECTION_MAX,
    maxOutboundHopStreams: CIRCUITS_PER_CONNECTION_MAX,
    maxOutboundStopStreams: CIRCUITS_PER_CONNECTION_MAX,
  })
}

function portWishes({
  port,
  tcpPort = 0,
  transports = ['tcp', 'websocket', 'webrtc-direct'],
}: NodeListenOptions): Parameters<typeof choosePorts>[1] {
  return {
    ...(transports.includes('websocket') ? { webSocket: port } : {}),
    ...(transports.includes('tcp') ? { tcp: tcpPort } : {}),
    ...(transports.includes('webrtc-direct') ? { webRtcDirect: port } : {}),
  }
}

function listenAddresses(host: string, ports: Ports): string[] {
  const ip = isIPv6(host) ? `/ip6/${host}` : `/ip4/${host}`
  return [
    ...(ports.webSocket === undefined ? [] : [`${ip}/tcp/${ports.webSocket}/ws`]),
    ...(ports.tcp === undefined ? [] : [`${ip}/tcp/${ports.tcp}`]),
    ...(ports.webRtcDirect === undefined ? [] : [`${ip}/udp/${ports.webRtcDirect}/webrtc-direct`]),
  ]
}
