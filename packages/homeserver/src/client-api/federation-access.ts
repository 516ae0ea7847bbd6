import type { EventId, JsonObject, RoomAlias, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { PublicRoomsPage, PublicRoomsQuery, SpaceAnswer } from '../directory/index.ts'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer } from '../keys/key-types.ts'
import type { CachedFile, ThumbnailWish } from '../media/index.ts'

/** Another server said no. `errcode`, `reason` and `status` come from it, bounded and checked to be strings and a 4xx. */
export interface RemoteRefusal {
  readonly kind: 'refused'
  readonly status: number
  readonly errcode: string
  readonly reason: string
  /** With M_INCOMPATIBLE_ROOM_VERSION: the version of the room. */
  readonly roomVersion?: string
}

/** No server that could have answered was reached in time. */
export interface Unreachable {
  readonly kind: 'unreachable'
  readonly reason: string
}

export type RemoteJoinOutcome = { readonly kind: 'joined'; readonly roomId: RoomId } | RemoteRefusal | Unreachable

export type RemoteKnockOutcome = { readonly kind: 'knocked'; readonly roomId: RoomId } | RemoteRefusal | Unreachable

/**
 * `left`: the invite or knock is gone here and at the server that answered. `left-here`: it is gone here; whoever did not answer is told
 * later, as far as that is possible.
 */
export type RemoteLeaveOutcome = { readonly kind: 'left' } | { readonly kind: 'left-here'; readonly reason: string }

/** `denied`: this server's own auth rules forbid it. `invited`: stored here; the other server has it or will get it from the outbox. */
export type RemoteInviteOutcome =
  | { readonly kind: 'invited'; readonly eventId: EventId }
  | { readonly kind: 'denied'; readonly rule: string }
  | RemoteRefusal
  | Unreachable

/** Whatever a user tells of themself; `displayname` and `avatar_url` are texts, where they are there. */
export type Profile = JsonObject

export type RemoteProfileOutcome = { readonly kind: 'found'; readonly profile: Profile } | { readonly kind: 'not-found' } | Unreachable

export type RemoteAliasOutcome =
  | { readonly kind: 'found'; readonly roomId: RoomId; readonly servers: readonly ServerName[] }
  | { readonly kind: 'not-found' }
  | Unreachable

export type RemotePublicRoomsOutcome = { readonly kind: 'answered'; readonly page: PublicRoomsPage } | RemoteRefusal | Unreachable

export type RemoteSpaceOutcome = { readonly kind: 'found'; readonly answer: SpaceAnswer } | { readonly kind: 'not-found' } | Unreachable

export interface EventAtTime {
  readonly eventId: EventId
  /** Its `origin_server_ts`. */
  readonly time: number
}

export type RemoteMediaOutcome =
  | { readonly kind: 'found'; readonly file: CachedFile }
  | { readonly kind: 'not-found' }
  /** Its id is given out; the content did not come in time. */
  | { readonly kind: 'not-yet' }
  | { readonly kind: 'too-large' }
  | RemoteRefusal
  | Unreachable

export type RemoteKeysOutcome<T> = { readonly kind: 'answered'; readonly answer: T } | Unreachable

/** An event sent here that some destination has not acknowledged. Without destinations it is delivered. */
export interface DeliveryState {
  readonly roomId: RoomId
  readonly eventId: EventId
  /** Only the destinations that have not acknowledged. */
  readonly destinations: ReadonlyMap<ServerName, 'waiting' | 'at_relay'>
}

export interface RelayInfo {
  readonly server: ServerName
  readonly addresses: readonly string[]
  readonly state: 'connected' | 'connecting' | 'unreachable'
  readonly mailbox: 'reserved' | 'none'
}

export interface NetworkInfo {
  /** Grows with each change of what follows; starts anew with the process. */
  readonly version: number
  readonly addresses: readonly string[]
  readonly relays: readonly RelayInfo[]
  readonly peers: readonly {
    readonly server: ServerName
    readonly path: 'direct' | 'relayed'
    readonly transport: string
    readonly direction: 'inbound' | 'outbound'
    readonly roundTripMs?: number
  }[]
}

export type ContactOutcome = { readonly kind: 'remembered' } | { readonly kind: 'invalid'; readonly reason: string }

export type ChooseRelaysOutcome =
  | { readonly kind: 'chosen'; readonly servers: readonly ServerName[] }
  | { readonly kind: 'invalid'; readonly reason: string }

/**
 * What the client API asks of other servers. The Federation class satisfies it.
 * Every method settles within the time limits of federation, also when nobody answers; only aborts and broken storage throw.
 */
export interface FederationPort {
  /** Aborts when this server ends, and with it all that it asks of others. */
  readonly closing: AbortSignal

  /**
   * Joins a local user: by an event of this server where it is in the room and can let the user in, otherwise by make_join and send_join at
   * servers of the room. `via` may be empty: then the servers of the invite or of the state are asked.
   */
  joinRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly via: readonly ServerName[]; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteJoinOutcome>
  /** Knocks at a room that this server is not in: make_knock, send_knock. */
  knockRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly via: readonly ServerName[]; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteKnockOutcome>
  /** Rejects an invite to, or takes back a knock at, a room that this server is not in: make_leave, send_leave. Drops what is stored of it. */
  leaveRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteLeaveOutcome>
  /** Invites a user of another server to a room held here. */
  invite(
    input: { readonly roomId: RoomId; readonly sender: UserId; readonly invitee: UserId; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteInviteOutcome>
  /** Fetches history older than `from` (the `gapAt` of rooms.page) and stores it by rooms.appendHistory. Answers how many events came. */
  backfill(roomId: RoomId, from: readonly EventId[], limit: number, signal: AbortSignal): Promise<number>
  queryProfile(userId: UserId, signal: AbortSignal): Promise<RemoteProfileOutcome>
  resolveAlias(alias: RoomAlias, signal: AbortSignal): Promise<RemoteAliasOutcome>
  /** The rooms that another server publishes. */
  publicRooms(server: ServerName, query: PublicRoomsQuery, signal: AbortSignal): Promise<RemotePublicRoomsOutcome>
  /** What the first of these servers that answers says of a space; answers are kept for a while. */
  hierarchy(roomId: RoomId, via: readonly ServerName[], suggestedOnly: boolean, signal: AbortSignal): Promise<RemoteSpaceOutcome>
  /** The closest event to a time in that direction, as members of the room say. It need not be known here. */
  timestampToEvent(
    wanted: { readonly roomId: RoomId; readonly timestamp: number; readonly direction: 'f' | 'b' },
    signal: AbortSignal,
  ): Promise<EventAtTime | undefined>
  /** A file of another server, from the cache or from there; resolves as soon as it can be read. */
  downloadMedia(server: ServerName, mediaId: string, patienceMs: number, signal: AbortSignal): Promise<RemoteMediaOutcome>
  downloadThumbnail(
    server: ServerName,
    mediaId: string,
    wish: ThumbnailWish,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<RemoteMediaOutcome>
  /** One request a server, in parallel. Answers only hold users of the server that answered. */
  queryDeviceKeys(
    byServer: ReadonlyMap<ServerName, readonly UserId[]>,
    signal: AbortSignal,
  ): Promise<Map<ServerName, RemoteKeysOutcome<KeyQueryAnswer>>>
  claimKeys(byServer: ReadonlyMap<ServerName, KeyClaims>, signal: AbortSignal): Promise<Map<ServerName, RemoteKeysOutcome<ClaimedKeys>>>
  /** Best effort, memory only, returns at once. */
  sendEphemeral(destinations: Iterable<ServerName>, edu: { readonly type: string; readonly content: JsonObject }): void
  /**
   * Without `since`: everything undelivered. With it: every event whose state changed after that timeline position (bounded; `next` may
   * lie before the newest position when there is more). Never waits: the caller waits with timeline.changed.
   */
  deliveries(since: number | undefined): Promise<{ readonly next: number; readonly deliveries: readonly DeliveryState[] }>
  network(): NetworkInfo
  /** Resolves once `network().version` is beyond `version`. */
  networkChanged(version: number, signal: AbortSignal): Promise<void>
  /** Checks a contact's signed relay list against the server of `userId`, and remembers it durably. */
  rememberContact(input: { readonly userId: UserId; readonly relayList: JsonObject }): Promise<ContactOutcome>
  /** This server's own signed relay list, for links. */
  relayList(): Promise<JsonObject>
  /** Adds relays by multiaddr (each ends in /p2p/…), durably. */
  addRelays(addresses: readonly string[]): Promise<ChooseRelaysOutcome>
  /** False when it was none. */
  removeRelay(server: ServerName): Promise<boolean>
}
