import type { JsonObject, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface StoredOneTimeKey {
  readonly keyId: string
  readonly key: JsonObject
}

export interface StoredFallbackKey extends StoredOneTimeKey {
  readonly used: boolean
}

export type CrossSigningUsage = 'master' | 'self_signing' | 'user_signing'

/** What another server said of one of its users. */
export interface StoredRemoteKeys {
  readonly devices: Readonly<Record<string, JsonObject>>
  readonly master?: JsonObject
  readonly selfSigning?: JsonObject
  /** The last update that was applied; absent after a whole query. */
  readonly streamId?: number
  /** Updates were missed: ask the server again when it can be reached. */
  readonly stale: boolean
  /** The stream position when the user's server was last asked for all of this. */
  readonly askedAt: number
}

export interface StoredToDevice {
  readonly sender: UserId
  readonly type: string
  readonly content: JsonObject
}

/** A device that is kept for a user who may come back without any. */
export interface StoredDehydratedDevice {
  readonly deviceId: string
  readonly deviceData: JsonObject
}

export interface StoredBackupVersion {
  readonly version: string
  readonly algorithm: string
  readonly authData: JsonObject
  readonly etag: number
  readonly count: number
  readonly deleted: boolean
}

export const keysTables = {
  deviceKeys: { name: 'keys.device-keys' } as Table<readonly [UserId, deviceId: string], JsonObject>,
  oneTimeKeys: { name: 'keys.one-time-keys' } as Table<
    readonly [UserId, deviceId: string, algorithm: string, sequence: number],
    StoredOneTimeKey
  >,
  fallbackKeys: { name: 'keys.fallback-keys' } as Table<readonly [UserId, deviceId: string, algorithm: string], StoredFallbackKey>,
  crossSigning: { name: 'keys.cross-signing' } as Table<readonly [UserId, CrossSigningUsage], JsonObject>,
  /** Signatures of a local user on the master keys of others, seen only by the signer: key id → signature. */
  userSignatures: { name: 'keys.user-signatures' } as Table<readonly [signer: UserId, target: UserId, publicKey: string], JsonObject>,
  remoteKeys: { name: 'keys.remote' } as Table<readonly [UserId], StoredRemoteKeys>,
  /** The last position at which the device list of a user changed. */
  deviceListChanges: { name: 'keys.device-list-changes' } as Table<readonly [UserId], number>,
  toDeviceInbox: { name: 'keys.to-device-inbox' } as Table<readonly [UserId, deviceId: string, position: number], StoredToDevice>,
  /** To-device messages of other servers that were taken in, by their id; the value is when, in ms. */
  toDeviceSeen: { name: 'keys.to-device-seen' } as Table<readonly [sender: UserId, messageId: string], number>,
  dehydratedDevices: { name: 'keys.dehydrated-devices' } as Table<readonly [UserId], StoredDehydratedDevice>,
  backupVersions: { name: 'keys.backup-versions' } as Table<readonly [UserId, version: number], StoredBackupVersion>,
  backupSessions: { name: 'keys.backup-sessions' } as Table<
    readonly [UserId, version: number, roomId: string, sessionId: string],
    JsonObject
  >,
} as const
