import {
  type EventId,
  type JsonObject,
  type RoomAlias,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { OpenIdTokens } from '../accounts/open-id-tokens.ts'
import type {
  ChooseRelaysOutcome,
  ContactOutcome,
  EventAtTime,
  FederationPort,
  NetworkInfo,
  RemoteAliasOutcome,
  RemoteInviteOutcome,
  RemoteJoinOutcome,
  RemoteKeysOutcome,
  RemoteKnockOutcome,
  RemoteLeaveOutcome,
  RemoteMediaOutcome,
  RemoteProfileOutcome,
  RemotePublicRoomsOutcome,
  RemoteSpaceOutcome,
} from '../client-api/federation-access.ts'
import type { Directory, PublicRoomsQuery } from '../directory/index.ts'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer } from '../keys/key-types.ts'
import type { MediaStore, ThumbnailWish } from '../media/index.ts'
import type { Ports } from '../ports/index.ts'
import type { PeerRequestHandler } from '../ports/peer-network.ts'
import { Collect } from '../relay/collect.ts'
import { RelayListFinder } from '../relay/relay-list-finder.ts'
import { RelayLists } from '../relay/relay-lists.ts'
import { Relays } from '../relay/relays.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { buildDeliver } from './deliver/build-deliver.ts'
import type { Deliver } from './deliver/deliver.ts'
import { type DeliveriesPage, Deliveries } from './deliver/deliveries.ts'
import { backfill } from './fetch/backfill.ts'
import { FetchEvents } from './fetch/fetch-events.ts'
import { serversToAsk } from './fetch/servers-to-ask.ts'
import { buildIngest } from './ingest/build-ingest.ts'
import type { Healing } from './ingest/healing.ts'
import { JoinsUnderWay } from './ingest/joins-under-way.ts'
import type { LocalUsers } from './local-users.ts'
import { buildMembership } from './membership/build-membership.ts'
import type { CompleteRooms } from './membership/complete-rooms.ts'
import type { RemoteInvite } from './membership/remote-invite.ts'
import type { RemoteMembership } from './membership/remote-membership.ts'
import { NetworkState } from './network-state.ts'
import { PeerClient } from './peer-client.ts'
import { buildQueries, type Queries } from './query/build-queries.ts'
import { askEventByTimestamp } from './query/event-by-timestamp.ts'
import { askPublicRooms } from './query/public-rooms.ts'
import { resolveRemoteAlias } from './query/room-aliases.ts'
import { ServerKeys } from './query/server-keys.ts'
import { federationEndpoints } from './serve/endpoints.ts'
import { createRouter } from './serve/router.ts'

export interface FederationInput {
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly serverName: ServerName
  readonly users: LocalUsers
  readonly directory: Directory
  readonly media: MediaStore
  readonly openIdTokens: OpenIdTokens
  /** Configured relays: multiaddrs that end in `/p2p/…`. */
  readonly relays: readonly string[]
  readonly softwareVersion: string
}

interface Parts extends Queries {
  readonly ports: Ports
  readonly input: FederationInput
  readonly client: PeerClient
  readonly relayLists: RelayLists
  readonly relays: Relays
  readonly deliver: Deliver
  readonly deliveries: Deliveries
  readonly fetch: FetchEvents
  readonly healing: Healing
  readonly collect: Collect
  readonly finder: RelayListFinder
  readonly complete: CompleteRooms
  readonly membership: RemoteMembership
  readonly invites: RemoteInvite
  readonly network: NetworkState
  readonly serve: PeerRequestHandler
}

/** Everything that this server does with other servers. */
export class Federation implements FederationPort, AsyncDisposable {
  /** Answers other servers. To be installed at the network before that starts. */
  readonly serve: PeerRequestHandler
  readonly #parts: Parts
  readonly #lifetime: AbortController

  private constructor(parts: Parts, lifetime: AbortController) {
    this.#parts = parts
    this.#lifetime = lifetime
    this.serve = (origin, request) => {
      parts.deliver.peerSeen(origin)
      return parts.serve(origin, request)
    }
  }

  static async open(ports: Ports, input: FederationInput): Promise<Federation> {
    const lifetime = new AbortController()
    return new Federation(await openParts(ports, input, lifetime.signal), lifetime)
  }

  get closing(): AbortSignal {
    return this.#lifetime.signal
  }

  /** Begins to deliver, to collect and to keep relays. */
  start(): void {
    const { deliver, healing, complete, collect, finder, relays } = this.#parts
    relays.watchReady((relay) => {
      collect.collect(relay)
      deliver.relayReady()
    })
    deliver.start()
    healing.start()
    complete.start()
    collect.start()
    finder.start()
    relays.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lifetime.abort(new DOMException('The homeserver is closing', 'AbortError'))
    const { deliver, healing, complete, collect } = this.#parts
    await Promise.all([deliver.stopped(), healing.stopped(), complete.stopped(), collect.stopped()])
  }

  joinRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly via: readonly ServerName[]; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteJoinOutcome> {
    return this.#parts.membership.join(input, this.#bounded(signal))
  }

  knockRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly via: readonly ServerName[]; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteKnockOutcome> {
    return this.#parts.membership.knock(input, this.#bounded(signal))
  }

  leaveRoom(
    input: { readonly roomId: RoomId; readonly userId: UserId; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteLeaveOutcome> {
    return this.#parts.membership.leave(input, this.#bounded(signal))
  }

  invite(
    input: { readonly roomId: RoomId; readonly sender: UserId; readonly invitee: UserId; readonly content: JsonObject },
    signal: AbortSignal,
  ): Promise<RemoteInviteOutcome> {
    return this.#parts.invites.invite(input, this.#bounded(signal))
  }

  backfill(roomId: RoomId, from: readonly EventId[], limit: number, signal: AbortSignal): Promise<number> {
    const { client, ports, fetch, input } = this.#parts
    const parts = { client, network: ports.network, fetch, rooms: input.rooms, serverName: input.serverName }
    return backfill(parts, roomId, from, limit, this.#bounded(signal))
  }

  queryProfile(userId: UserId, signal: AbortSignal): Promise<RemoteProfileOutcome> {
    return this.#parts.profiles.query(userId, this.#bounded(signal))
  }

  resolveAlias(alias: RoomAlias, signal: AbortSignal): Promise<RemoteAliasOutcome> {
    return resolveRemoteAlias(this.#parts.client, alias, this.#bounded(signal))
  }

  publicRooms(server: ServerName, query: PublicRoomsQuery, signal: AbortSignal): Promise<RemotePublicRoomsOutcome> {
    return askPublicRooms(this.#parts.client, server, query, this.#bounded(signal))
  }

  hierarchy(roomId: RoomId, via: readonly ServerName[], suggestedOnly: boolean, signal: AbortSignal): Promise<RemoteSpaceOutcome> {
    return this.#parts.spaces.ask(roomId, via, suggestedOnly, this.#bounded(signal))
  }

  timestampToEvent(
    wanted: { readonly roomId: RoomId; readonly timestamp: number; readonly direction: 'f' | 'b' },
    signal: AbortSignal,
  ): Promise<EventAtTime | undefined> {
    const { client, ports, input } = this.#parts
    const servers = serversToAsk({ rooms: input.rooms, network: ports.network, serverName: input.serverName }, wanted.roomId, [])
    return askEventByTimestamp(client, servers, wanted, this.#bounded(signal))
  }

  downloadMedia(server: ServerName, mediaId: string, patienceMs: number, signal: AbortSignal): Promise<RemoteMediaOutcome> {
    return this.#parts.remoteMedia.download(server, mediaId, patienceMs, this.#bounded(signal))
  }

  downloadThumbnail(
    server: ServerName,
    mediaId: string,
    wish: ThumbnailWish,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<RemoteMediaOutcome> {
    return this.#parts.remoteMedia.thumbnail(server, mediaId, wish, patienceMs, this.#bounded(signal))
  }

  queryDeviceKeys(
    byServer: ReadonlyMap<ServerName, readonly UserId[]>,
    signal: AbortSignal,
  ): Promise<Map<ServerName, RemoteKeysOutcome<KeyQueryAnswer>>> {
    return this.#parts.userKeys.query(byServer, this.#bounded(signal))
  }

  claimKeys(byServer: ReadonlyMap<ServerName, KeyClaims>, signal: AbortSignal): Promise<Map<ServerName, RemoteKeysOutcome<ClaimedKeys>>> {
    return this.#parts.userKeys.claim(byServer, this.#bounded(signal))
  }

  sendEphemeral(destinations: Iterable<ServerName>, edu: { readonly type: string; readonly content: JsonObject }): void {
    this.#parts.deliver.sendEphemeral(destinations, edu)
  }

  deliveries(since: number | undefined): Promise<DeliveriesPage> {
    return this.#parts.deliveries.read(since)
  }

  network(): NetworkInfo {
    return this.#parts.network.read()
  }

  networkChanged(version: number, signal: AbortSignal): Promise<void> {
    return this.#parts.network.changed(version, this.#bounded(signal))
  }

  async rememberContact({ userId, relayList }: { readonly userId: UserId; readonly relayList: JsonObject }): Promise<ContactOutcome> {
    const outcome = await this.#parts.relayLists.learn(serverNameOf(userId), relayList)
    return outcome.kind === 'invalid' ? outcome : { kind: 'remembered' }
  }

  async relayList(): Promise<JsonObject> {
    return this.#parts.relayLists.own
  }

  addRelays(addresses: readonly string[]): Promise<ChooseRelaysOutcome> {
    return this.#parts.relays.add(addresses)
  }

  removeRelay(server: ServerName): Promise<boolean> {
    return this.#parts.relays.remove(server)
  }

  /** Ends with the caller's wish or with this server. */
  #bounded(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#lifetime.signal])
  }
}

async function openParts(ports: Ports, input: FederationInput, signal: AbortSignal): Promise<Parts> {
  const { rooms, timeline, serverName, users } = input
  const client = new PeerClient(ports)
  const relayLists = await RelayLists.open(ports, serverName)
  const relays = await Relays.open(ports, { client, lists: relayLists, configured: input.relays, signal })
  const shared = { ports, client, rooms, serverName, relayLists }
  const deliver = buildDeliver({
    ...shared,
    timeline,
    ownRelays: () => relays.servers(),
    heardExtremities: (server, value) => healing.compare(server, value),
    signal,
  })
  const fetch = new FetchEvents({ client, rooms, network: ports.network, serverName })
  const joins = new JoinsUnderWay()
  const { inviteReceiver, thirdPartyInvites, ...membership } = buildMembership({ ...shared, users, joins, deliver, signal })
  const { ingest, healing } = await buildIngest({ ...shared, timeline, users, fetch, joins, deliver, inviteReceiver, signal })
  const collect = new Collect({ ports, client, ingest, timeline, serverName, relays: () => relays.servers() }, signal)
  const mailWaiting = (relay: ServerName): boolean => {
    if (relays.uses(relay)) collect.collect(relay)
    return relays.uses(relay)
  }
  const endpoints = federationEndpoints({
    ...input,
    ports,
    serverKeys: new ServerKeys({ ports, client, rooms }, serverName),
    ingest,
    invites: inviteReceiver,
    thirdPartyInvites,
    relayLists,
    mailWaiting,
  })
  return {
    ports,
    input,
    client,
    relayLists,
    relays,
    deliver,
    deliveries: new Deliveries(ports.storage, timeline),
    fetch,
    healing,
    collect,
    finder: new RelayListFinder({ network: ports.network, client, rooms, relayLists, log: ports.log }, signal),
    ...buildQueries({ ports, client, relayLists, media: input.media }, signal),
    ...membership,
    network: new NetworkState(ports.network, relays, signal),
    serve: createRouter(endpoints, ports.log, signal),
  }
}
