import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { ConnectionGater, Transport } from '@libp2p/interface'
import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal'
import type { ConnectionManagerInit } from 'libp2p'
import {
  CIRCUITS_PER_CONNECTION_MAX,
  DIAL_ADDRESS_MS_MAX,
  DIAL_PEER_MS_MAX,
  INBOUND_CONNECTIONS_PER_SECOND_MAX,
  RELAYS_MAX,
} from './limits.ts'
import type { Reservations } from './relay-keeper.ts'

/** libp2p's own parts that this package drives directly. */
export interface Internals {
  readonly transportManager: TransportManager
  readonly connectionManager: ConnectionManager
}

/** As a libp2p service, it hands its parts out. */
export function internals(components: Internals): Internals {
  return { transportManager: components.transportManager, connectionManager: components.connectionManager }
}

export function connectionManagerSettings(connectionsMax: number): ConnectionManagerInit {
  return {
    maxConnections: connectionsMax,
    inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND_MAX,
    maxIncomingPendingConnections: INBOUND_CONNECTIONS_PER_SECOND_MAX,
    dialTimeout: DIAL_PEER_MS_MAX,
    addressDialTimeout: DIAL_ADDRESS_MS_MAX,
    // The relay keeper redials, for as long as the relay is chosen.
    reconnectRetries: 0,
  }
}

/** RPC pings watch the connections; libp2p's own monitor would open another stream on each every 10 s. */
export const CONNECTION_MONITOR_SETTINGS = { enabled: false } as const

/**
 * Everything may be dialled, private and loopback addresses and WebSockets without TLS too: relays stand in living rooms and on the
 * developer's machine. Noise proves who answers, and a page served over https cannot open insecure WebSockets anyway.
 */
export const OPEN_GATER: ConnectionGater = { denyDialMultiaddr: () => false }

/**
 * No ICE server unless the user chose one: nothing may depend on a server that the user did not choose. Relays and the addresses of
 * the host suffice on reachable networks; the circuit carries the traffic otherwise.
 */
export function rtcConfiguration(iceServers: readonly string[]): { iceServers: { urls: string }[] } {
  return { iceServers: iceServers.map((urls) => ({ urls })) }
}

export const ENCRYPTERS = [noise()]
export const MUXERS = [yamux()]

/** The transport for circuits, and the reservations inside it, which exist once libp2p was created. */
export function circuits(): {
  readonly transport: (components: Parameters<ReturnType<typeof circuitRelayTransport>>[0]) => Transport
  reservations(): Reservations
} {
  const create = circuitRelayTransport({
    maxInboundStopStreams: CIRCUITS_PER_CONNECTION_MAX,
    maxOutboundStopStreams: CIRCUITS_PER_CONNECTION_MAX,
    // libp2p forgets the reservations that still wait when it has made one, and whoever asked for them never hears of it: none may wait.
    reservationConcurrency: RELAYS_MAX,
  })
  let created: Transport | undefined
  return {
    transport: (components) => {
      created = create(components)
      return created
    },
    reservations: () => {
      const store = created !== undefined && 'reservationStore' in created ? created.reservationStore : undefined
      if (!isReservations(store)) throw new Error('The circuit transport has changed: its reservations were not found')
      return store
    },
  }
}

function isReservations(value: unknown): value is Reservations {
  return typeof value === 'object' && value !== null && 'addRelay' in value && 'hasReservation' in value && 'addEventListener' in value
}
