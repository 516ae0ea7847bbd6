/** Bounds of the peer network. All are choices of this implementation, except where a name says otherwise. */

// --- RPC frames -------------------------------------------------------------------------------------------------

/** The JSON head of a request or response. */
export const HEAD_BYTES_MAX = 64 * 1024
/** Bodies up to this size travel inside their frame; longer ones on a stream of their own. */
export const INLINE_BODY_BYTES_MAX = 64 * 1024
/** Type, id and head length, then head and body. */
export const FRAME_BYTES_MAX = 16 + HEAD_BYTES_MAX + INLINE_BODY_BYTES_MAX
/** Either body of one exchange. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024
export const HEADERS_MAX = 64
export const PATH_LENGTH_MAX = 32 * 1024

// --- RPC flow ---------------------------------------------------------------------------------------------------

/** Requests of ours that one peer works on at a time; more wait their turn. */
export const OUTBOUND_REQUESTS_MAX = 64
/** Requests that wait for their turn, a peer. Beyond it a request fails at once. */
export const WAITING_REQUESTS_MAX = 1024
/** Requests of one peer that are worked on at a time; above it they are answered 429. Higher than the outbound bound: cancelled ones still count. */
export const INBOUND_REQUESTS_MAX = 128
/** A request without an answer fails after this time. Above the longest poll of the federation API. */
export const REQUEST_PENDING_MS_MAX = 120_000
/** Sent bytes of a body that the receiver has not yet consumed. */
export const BODY_WINDOW_BYTES = 1024 * 1024
/** The receiver grants consumed bytes back in steps of this size. */
export const BODY_GRANT_BYTES = 256 * 1024
export const BODY_CHUNK_BYTES_MAX = 64 * 1024
/** Body streams that arrived before their request or response, a connection. */
export const UNCLAIMED_BODIES_MAX = 32
export const UNCLAIMED_BODY_MS_MAX = 10_000
/** A body that makes no progress for this time is given up. */
export const BODY_STALLED_MS_MAX = 60_000
/** Streams of one RPC protocol that a peer may hold open on one connection. */
export const RPC_STREAMS_PER_CONNECTION_MAX = 4
export const BODY_STREAMS_PER_CONNECTION_MAX = 128
/** What libp2p may hold for a paused RPC stream before it resets it: all inbound requests with inline bodies. */
export const RPC_READ_BUFFER_BYTES_MAX = 2 * INBOUND_REQUESTS_MAX * FRAME_BYTES_MAX
/** Time to open an RPC or body stream on a live connection. */
export const OPEN_STREAM_MS_MAX = 6_000

// --- Liveness ---------------------------------------------------------------------------------------------------

export const LIVENESS_TICK_MS = 250
/** When this process did not run for so long, the silence was its own. */
export const LIVENESS_STALLED_MS = 1_500
/** Silence after which a ping is sent on connections over UDP, whose loss nobody reports. */
export const PING_AFTER_SILENCE_MS = 1_500
/** The same wherever an answer is pending. */
export const PING_AFTER_SILENCE_PENDING_MS = 750
/** The same for connections over TCP without pending requests: their loss is mostly reported by the system. */
export const PING_AFTER_SILENCE_IDLE_MS = 15_000
/** An unanswered ping, with no other byte received, means that the peer is gone: after this time when it answered at once before… */
export const PEER_PATIENCE_MS_MIN = 3_000
/** …and after up to this time when it is known to be slow or busy. */
export const PEER_PATIENCE_MS_MAX = 6_000
/** The slowest link that liveness allows for: an answer may wait behind what was sent before, for as long as this link needs… */
export const SLOW_LINK_BYTES_PER_SECOND = 32 * 1024
/** …and no longer than this. */
export const SLOW_LINK_MS_MAX = 20_000

// --- Addresses and dialling -------------------------------------------------------------------------------------

export const ADDRESS_BOOK_PEERS_MAX = 4096
export const ADDRESSES_PER_PEER_MAX = 32
export const ADDRESS_LENGTH_MAX = 1024
/** Addresses tried in one attempt to reach a peer. */
export const DIAL_CANDIDATES_MAX = 24
export const DIALS_AT_ONCE_MAX = 6
/** The next address is tried when the ones before it have not answered for this time. */
export const DIAL_STAGGER_MS = 200
export const DIAL_ADDRESS_MS_MAX = 5_000
export const DIAL_PEER_MS_MAX = 9_000
/** An attempt to turn a relayed connection into a direct one. */
export const UPGRADE_MS_MAX = 6_000
export const UPGRADE_BACKOFF_MS_MIN = 300
export const UPGRADE_BACKOFF_MS_MAX = 60_000
/** A connection that is no longer needed is closed after this time without requests. */
export const SURPLUS_CONNECTION_MS = 1_000

// --- Relays -----------------------------------------------------------------------------------------------------

export const RELAYS_MAX = 16
export const RELAY_RETRY_MS_MIN = 500
export const RELAY_RETRY_MS_MAX = 30_000
/** Connections of a node, and of a relay. */
export const CONNECTIONS_MAX = 512
export const RELAY_CONNECTIONS_MAX = 4096
/** New connections a second from one host. Several people may share one address. */
export const INBOUND_CONNECTIONS_PER_SECOND_MAX = 50
export const RESERVATIONS_MAX = 1024
export const CIRCUITS_PER_CONNECTION_MAX = 256

// --- RTC in a worker --------------------------------------------------------------------------------------------

/** Peer connections that the window holds for its worker. */
export const RTC_CONNECTIONS_MAX = 256
export const RTC_CHANNELS_PER_CONNECTION_MAX = 1024
export const RTC_CERTIFICATES_MAX = 1024
export const RTC_SDP_LENGTH_MAX = 256 * 1024
export const RTC_MESSAGE_BYTES_MAX = 256 * 1024
