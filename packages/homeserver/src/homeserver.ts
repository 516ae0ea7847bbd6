import {
  DEFAULT_ROOM_VERSION,
  type RoomVersion,
  roomVersion,
  type ServerName,
  serverNameFromPublicKey,
  type UserId,
} from '@kith/matrix-protocol'
import { AccountData } from './accounts/account-data.ts'
import { Accounts } from './accounts/accounts.ts'
import { ClientTransactions } from './accounts/client-transactions.ts'
import { Devices } from './accounts/devices.ts'
import { Filters } from './accounts/filters.ts'
import { OpenIdTokens } from './accounts/open-id-tokens.ts'
import { createClientApi } from './client-api/client-api.ts'
import { Conversation } from './conversation/conversation.ts'
import { Deactivations } from './deactivations.ts'
import { openDirectory } from './directory/index.ts'
import { Ephemeral } from './ephemeral/index.ts'
import { PresenceBroadcast } from './ephemeral/presence-broadcast.ts'
import { Federation } from './federation/federation.ts'
import { DeviceListChanges } from './keys/device-list-changes.ts'
import { Keys } from './keys/keys.ts'
import { ToDevice } from './keys/to-device.ts'
import { localUsersOf } from './local-users.ts'
import { MediaStore } from './media/index.ts'
import type { Ports } from './ports/index.ts'
import { Notifications } from './push/notifications.ts'
import { PushDelivery } from './push/push-delivery.ts'
import { PushRules } from './push/push-rules.ts'
import { Pushers } from './push/pushers.ts'
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
}

export interface Homeserver extends AsyncDisposable {
  readonly serverName: ServerName
  /** The Client-Server API. Never throws: every failure is a Matrix error. */
  readonly clientApi: (request: Request) => Promise<Response>
}

const SOFTWARE_VERSION = '0.1.0'
const PASSWORD_COST_LOG2 = 15

/**
 * A whole Matrix homeserver on the given ports. It installs its handler at the network; the caller starts the network afterwards.
 * The server name follows from the public key of the crypto port.
 * @throws RangeError when the room version in the config is unknown.
 */
export async function createHomeserver(ports: Ports, config: HomeserverConfig): Promise<Homeserver> {
  const { storage, clock, random, log, network } = ports
  const serverName = serverNameFromPublicKey(ports.crypto.publicKey)
  const defaultRoomVersion = versionOfNewRooms(config)
  await using opened = new AsyncDisposableStack()

  const timeline = await Timeline.open(storage)
  const rooms = await Rooms.open(ports, timeline, serverName)
  const accounts = await Accounts.open(ports, {
    serverName,
    openRegistration: config.openRegistration,
    registrationTokens: config.registrationTokens ?? [],
    passwordCostLog2: config.passwordCostLog2 ?? PASSWORD_COST_LOG2,
  })
  const devices = await Devices.open(ports, accounts)
  const accountData = new AccountData(storage, timeline)
  const deviceLists = await DeviceListChanges.open(storage, timeline, (userId) => rooms.serversSharingRooms(userId))
  const keys = new Keys({ storage, changes: deviceLists, accounts, devices })
  const isInRooms = (userId: UserId): boolean => rooms.joinedRooms(userId).length > 0
  const toDevice = await ToDevice.open({ storage, timeline, accounts, devices, clock, random, log, isInRooms })
  const ephemeral = opened.use(await Ephemeral.open({ storage, timeline, clock, rooms }))
  const directory = await openDirectory(storage)
  const media = await MediaStore.open(ports, serverName)
  const openIdTokens = new OpenIdTokens(ports)
  const federation = opened.use(
    await Federation.open(ports, {
      timeline,
      rooms,
      serverName,
      users: localUsersOf({ accounts, accountData, keys, toDevice, ephemeral }),
      directory,
      media,
      openIdTokens,
      relays: config.relays,
      softwareVersion: SOFTWARE_VERSION,
    }),
  )
  const sendEphemeral = federation.sendEphemeral.bind(federation)
  const broadcast = opened.use(new PresenceBroadcast({ presence: ephemeral.presence, rooms, clock, serverName, sendEphemeral }))
  const deactivations = opened.use(new Deactivations({ ...ports, accounts, devices, keys, toDevice, rooms, federation }))
  const pushRules = new PushRules(accountData)
  const visibility = new Visibility(rooms)
  const notifications = opened.use(
    await Notifications.open({ ...ports, timeline, rooms, receipts: ephemeral.receipts, pushRules, serverName, visibility }),
  )
  const conversation = await Conversation.open({ ...ports, rooms, accountData })
  const { aggregations, ignoredUsers, forgotten } = conversation
  const pushers = await Pushers.open(storage)
  const clientApi = createClientApi({
    ports,
    serverName,
    defaultRoomVersion,
    timeline,
    rooms,
    accounts,
    devices,
    deactivations,
    accountData,
    filters: new Filters(storage),
    transactions: new ClientTransactions(storage),
    keys,
    toDevice,
    ephemeral,
    pushRules,
    notifications,
    pushers,
    sync: new SyncEngine({
      storage,
      timeline,
      rooms,
      accountData,
      keys,
      toDevice,
      ephemeral,
      pushRules,
      notifications,
      clock,
      aggregations,
      forgotten,
    }),
    conversation,
    search: buildSearch(ports, { timeline, rooms, visibility, ignoredUsers }, opened),
    directory,
    media,
    openIdTokens,
    federation,
  })

  network.serve(federation.serve)
  federation.start()
  broadcast.start()
  const { pushGateway: gateway } = ports
  if (gateway !== undefined) {
    const hasDevice = (userId: UserId, deviceId: string): boolean => devices.get(userId, deviceId) !== undefined
    opened.use(new PushDelivery({ ...ports, timeline, rooms, pushers, pushRules, notifications, gateway, hasDevice, ignoredUsers }))
  }
  deactivations.start()
  const running = opened.move()
  return { serverName, clientApi, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

function versionOfNewRooms(config: HomeserverConfig): RoomVersion {
  const version = roomVersion(config.defaultRoomVersion ?? DEFAULT_ROOM_VERSION)
  if (version === undefined) throw new RangeError(`There is no room version ${config.defaultRoomVersion}`)
  return version
}
