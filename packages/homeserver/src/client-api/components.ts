import type { RoomVersion, ServerName, UserId } from '@kith/matrix-protocol'
import type { AccountData } from '../accounts/account-data.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { AppServices } from '../app-services/app-services.ts'
import type { NetworkRooms } from '../app-services/network-rooms.ts'
import type { ClientTransactions } from '../accounts/client-transactions.ts'
import type { Devices } from '../accounts/devices.ts'
import type { Filters } from '../accounts/filters.ts'
import type { OpenIdTokens } from '../accounts/open-id-tokens.ts'
import type { Conversation } from '../conversation/conversation.ts'
import type { Directory } from '../directory/index.ts'
import type { Ephemeral } from '../ephemeral/index.ts'
import type { Keys } from '../keys/keys.ts'
import type { ToDevice } from '../keys/to-device.ts'
import type { MediaStore } from '../media/index.ts'
import type { Ports } from '../ports/index.ts'
import type { Notifications } from '../push/notifications.ts'
import type { PushRules } from '../push/push-rules.ts'
import type { Pushers } from '../push/pushers.ts'
import type { Rooms } from '../rooms/index.ts'
import type { EventSearch } from '../search/event-search.ts'
import type { SyncEngine } from '../sync/sync-engine.ts'
import type { Timeline } from '../timeline/index.ts'
import type { FederationPort } from './federation-access.ts'

/** Ends accounts, and clears up behind them. */
export interface Deactivations {
  /** Returns when nobody can be this user any more. */
  deactivate(userId: UserId, erase: boolean): Promise<void>
}

/** What the client API is made of. */
export interface ClientApiComponents {
  readonly ports: Pick<Ports, 'clock' | 'random' | 'log' | 'storage' | 'crypto' | 'pushGateway'>
  readonly serverName: ServerName
  /** The version of rooms whose creator names none. */
  readonly defaultRoomVersion: RoomVersion
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly accounts: Accounts
  readonly devices: Devices
  readonly deactivations: Deactivations
  readonly accountData: AccountData
  readonly filters: Filters
  readonly transactions: ClientTransactions
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly ephemeral: Ephemeral
  readonly pushRules: PushRules
  readonly notifications: Notifications
  readonly pushers: Pushers
  readonly sync: SyncEngine
  readonly conversation: Conversation
  /** Absent where this node has no search index. */
  readonly search: EventSearch | undefined
  readonly directory: Directory
  readonly appServices: AppServices
  readonly networkRooms: NetworkRooms
  readonly media: MediaStore
  readonly openIdTokens: OpenIdTokens
  readonly federation: FederationPort
}
