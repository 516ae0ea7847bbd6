import type { ServerName } from '@kith/matrix-protocol'

/** Answers another server's request. `origin` is proven by the transport. Must not throw: errors are Matrix errors. */
export type PeerRequestHandler = (origin: ServerName, request: Request) => Promise<Response>

export type PeerEvent =
  | { readonly kind: 'connected'; readonly server: ServerName }
  | { readonly kind: 'disconnected'; readonly server: ServerName }

/** How a live peer is reached, for people to see. */
export interface PeerConnection {
  readonly server: ServerName
  /** `relayed`: every byte passes a circuit relay. */
  readonly path: 'direct' | 'relayed'
  /** The transport's short name: `webrtc`, `webrtc-direct`, `websocket`, `tcp`, `circuit`, `memory`. */
  readonly transport: string
  readonly direction: 'inbound' | 'outbound'
  /** Last measured round trip in ms, when known. */
  readonly roundTripMs?: number
}

/**
 * Requests and answers between servers, whatever carries them. URLs are `https://<server name>/_matrix/…`; only path and query travel.
 *
 * Invariants:
 * 1. Either side of a live connection may call the other (backchannel).
 * 2. `request` settles: with a response, or with PeerUnreachableError, or with the signal's reason. When a connection is lost, its
 *    pending requests fail at once; the request may or may not have been processed.
 * 3. Requests to one peer may be processed concurrently and answered in any order.
 */
export interface PeerNetwork extends AsyncDisposable {
  /** @throws PeerUnreachableError when no path to the peer works now. */
  request(server: ServerName, request: Request, signal: AbortSignal): Promise<Response>
  /** Installs the one handler for incoming requests. Called once, before `start`. */
  serve(handler: PeerRequestHandler): void
  /** Begins listening and connects to the chosen relays. */
  start(signal: AbortSignal): Promise<void>
  /** Replaces the relays at which this node keeps a connection and a place to be called through: multiaddrs ending in `/p2p/<relay>`. */
  chooseRelays(addresses: readonly string[]): void
  /** Remembers where a peer may be found. Addresses are multiaddrs, unverified hints; unusable ones are ignored. */
  learnAddresses(server: ServerName, addresses: readonly string[]): void
  /** Multiaddrs at which others can dial this node now, circuit addresses at relays included. */
  addresses(): readonly string[]
  /** Resolves at the next change of `addresses()`. */
  addressesChanged(signal: AbortSignal): Promise<void>
  connections(): readonly PeerConnection[]
  /** Calls the listener after each change, until the signal aborts. */
  watchPeers(listener: (event: PeerEvent) => void, signal: AbortSignal): void
}

/** No path to the peer works now. `reason` is for logs. */
export class PeerUnreachableError extends Error {
  override readonly name = 'PeerUnreachableError'
  readonly server: ServerName
  constructor(server: ServerName, reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.server = server
  }
}
