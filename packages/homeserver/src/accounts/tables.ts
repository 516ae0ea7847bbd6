import type { EventId, JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'
import type { PasswordHash } from './password-hash.ts'

export interface StoredAccount {
  readonly userId: UserId
  /** Absent for an account that can only be used with the tokens it has. */
  readonly password?: PasswordHash
  readonly createdAt: number
  /** The first account of this server. */
  readonly owner: boolean
  readonly deactivated: boolean
}

export interface StoredDevice {
  readonly userId: UserId
  readonly deviceId: string
  readonly displayName?: string
  readonly createdAt: number
}

export interface StoredAccessToken {
  readonly userId: UserId
  readonly deviceId: string
}

/** What a client transaction led to. `eventId` is absent for to-device messages. */
export interface StoredClientTransaction {
  readonly eventId?: EventId
}

export const accountsTables = {
  accounts: { name: 'accounts.accounts' } as Table<readonly [UserId], StoredAccount>,
  profiles: { name: 'accounts.profiles' } as Table<readonly [UserId], JsonObject>,
  devices: { name: 'accounts.devices' } as Table<readonly [UserId, deviceId: string], StoredDevice>,
  /** By the hash of the token, so that a stolen database opens no session. */
  accessTokens: { name: 'accounts.access-tokens' } as Table<readonly [tokenHash: string], StoredAccessToken>,
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
