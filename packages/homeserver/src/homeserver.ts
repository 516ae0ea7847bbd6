import { DEFAULT_ROOM_VERSION, type RoomVersion, roomVersion, type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { ClientTransactions } from './accounts/client-transactions.ts'
import { Filters } from './accounts/filters.ts'
import { OpenIdTokens } from './accounts/open-id-tokens.ts'
import { buildAppServices } from './app-services/build-app-services.ts'
import type { AppServiceRegistration } from './app-services/registration.ts'
import { createClientApi } from './client-api/client-api.ts'
import { Conversation } from './conversation/conversation.ts'
import { Deactivations } from './deactivations.ts'
import { openDirectory } from './directory/index.ts'
import { Ephemeral } from './ephemeral/index.ts'
import { PresenceBroadcast } from './ephemeral/presence-broadcast.ts'
import { Federation } from './federation/federation.ts'
import { localUsersOf } from './local-users.ts'
import { MediaStore } from './media/index.ts'
import { openUsers } from './open-users.ts'
import type { Ports } from './ports/index.ts'
import { buildPush } from './push/build-push.ts'
import { Rooms } from './rooms/index.ts'
import { buildSearch } from './search/build-search.ts'
import { SyncEngine } from './sync/sync-engine.ts'
import { Visibility } from './sync/visibility.ts'
import { Timeline } from './timeline/index.ts'

export interface HomeserverConfig {
  /** Relays to begin with: multiaddrs that end in `/p2p/<relay>`. Others may be chosen at run time. */
  readonly relays: readonly string[]
  /** Whether anybody who reaches the client API may register, not only the owner. */
  readonly openRegistration: boolean
  /** When there are any, who registers needs one of them, the owner too. */
  readonly registrationTokens?: readonly string[]
  /** log2 of scrypt's N for new passwords. Default: 15, which takes 32 MiB and about a tenth of a second with r = 8. */
  readonly passwordCostLog2?: number
  /** The version of rooms whose creator names none. Default: matrix-protocol's DEFAULT_ROOM_VERSION. */
  readonly defaultRoomVersion?: string
  /** Bridges and bots that act as users of this server, called through the port `appServiceClient`. */
  readonly appServices?: readonly AppServiceRegistration[]
}

export interface Homeserver extends AsyncDisposable {
  readonly serverName: ServerName
  /** The Client-Server API. Never throws: every failure is a Matrix error. */
  readonly clientApi: (request: Request) => Promise<Response>
}

const SOFTWARE_VERSION = '0.1.0'

/**
 * A whole Matrix homeserver on the given ports. It installs its handler at the network; the caller starts the network afterwards.
 * The server name follows from the public key of the crypto port.
 * @throws RangeError when the room version in the config is unknown, or an application service cannot be registered.
 */
export async function createHomeserver(ports: Ports, config: HomeserverConfig): Promise<Homeserver> {
  const { storage, clock, network } = ports
  const serverName = serverNameFromPublicKey(ports.crypto.publicKey)
  const defaultRoomVersion = versionOfNewRooms(config)
  await using opened = new AsyncDisposableStack()

  const timeline = await Timeline.open(storage)
  const rooms = await Rooms.open(ports, timeline, serverName)
  const visibility = new Visibility(rooms)
  const users = await openUsers(ports, { serverName, timeline, rooms }, config)
  const ephemeral = opened.use(await Ephemeral.open({ storage, timeline, clock, rooms }))
  const directory = await openDirectory(storage)
  const readers = { ...users, serverName, timeline, rooms, visibility, directory, ephemeral }
  const services = await buildAppServices(ports, readers, config, opened)
  const media = await MediaStore.open(ports, serverName)
  const openIdTokens = new OpenIdTokens(ports)
  const federation = opened.use(
    await Federation.open(ports, {
      timeline,
      rooms,
      serverName,
      users: localUsersOf({ ...users, ephemeral, ...services }),
      directory,
      media,
      openIdTokens,
      relays: config.relays,
      softwareVersion: SOFTWARE_VERSION,
    }),
  )
  const sendEphemeral = federation.sendEphemeral.bind(federation)
  const broadcast = opened.use(new PresenceBroadcast({ presence: ephemeral.presence, rooms, clock, serverName, sendEphemeral }))
  const deactivations = opened.use(new Deactivations({ ...ports, ...users, rooms, federation }))
  const conversation = await Conversation.open({ ...ports, ...users, rooms, visibility })
  const { aggregations, forgotten } = conversation
  const push = await buildPush(ports, { ...readers, receipts: ephemeral.receipts }, opened)
  const clientApi = createClientApi({
    ports,
    serverName,
    defaultRoomVersion,
    timeline,
    rooms,
    ...users,
    ...push,
    deactivations,
    filters: new Filters(storage),
    transactions: new ClientTransactions(storage),
    ephemeral,
    sync: new SyncEngine({ storage, clock, timeline, rooms, visibility, ...users, ...push, ephemeral, aggregations, forgotten }),
    conversation,
    search: buildSearch(ports, { ...users, timeline, rooms, visibility }, opened),
    directory,
    ...services,
    media,
    openIdTokens,
    federation,
  })

  network.serve(federation.serve)
  for (const part of [federation, broadcast, deactivations]) part.start()
  const running = opened.move()
  return { serverName, clientApi, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

function versionOfNewRooms(config: HomeserverConfig): RoomVersion {
  const version = roomVersion(config.defaultRoomVersion ?? DEFAULT_ROOM_VERSION)
  if (version === undefined) throw new RangeError(`There is no room version ${config.defaultRoomVersion}`)
  return version
}
