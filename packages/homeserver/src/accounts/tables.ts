import type { EventId, JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'
import type { DeviceTokens } from './device-tokens.ts'
import type { PasswordHash } from './password-hash.ts'

/** What an administrator did to an account. A suspended one may read and go; a locked one may do nothing until it is unlocked. */
export type Restriction = 'suspended' | 'locked'

export interface StoredAccount {
  readonly userId: UserId
  /** Absent for an account that can only be used with the tokens it has. */
  readonly password?: PasswordHash
  readonly createdAt: number
  /** The first account of this server. */
  readonly owner: boolean
  /** Its id is never given again. */
  readonly deactivated: boolean
  /** What the user kept here is to go with the account. */
  readonly erased?: true
  readonly suspended?: true
  readonly locked?: true
  /** The application service that registered it. */
  readonly appServiceId?: string
}

export interface StoredDevice {
  readonly userId: UserId
  readonly deviceId: string
  readonly displayName?: string
  readonly createdAt: number
}

/** What a client transaction led to. `eventId` is absent for to-device messages. */
export interface StoredClientTransaction {
  readonly eventId?: EventId
}

export const accountsTables = {
  accounts: { name: 'accounts.accounts' } as Table<readonly [UserId], StoredAccount>,
  profiles: { name: 'accounts.profiles' } as Table<readonly [UserId], JsonObject>,
  devices: { name: 'accounts.devices' } as Table<readonly [UserId, deviceId: string], StoredDevice>,
  deviceTokens: { name: 'accounts.device-tokens' } as Table<readonly [UserId, deviceId: string], DeviceTokens>,
  /** `roomId` is empty for global account data. */
  accountData: { name: 'accounts.account-data' } as Table<
    readonly [UserId, roomId: RoomId | '', type: string],
    { readonly content: JsonObject; readonly position: number }
  >,
  accountDataByPosition: { name: 'accounts.account-data-by-position' } as Table<
    readonly [UserId, position: number],
    { readonly roomId: RoomId | ''; readonly type: string }
  >,
  filters: { name: 'accounts.filters' } as Table<readonly [UserId, filterId: string], JsonObject>,
  /** `scope` is the endpoint and its path parameters. */
  clientTransactions: { name: 'accounts.client-transactions' } as Table<
    readonly [UserId, deviceId: string, transactionId: string, scope: string],
    StoredClientTransaction
  >,
} as const
