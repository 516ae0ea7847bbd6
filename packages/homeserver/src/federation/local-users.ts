import type { EventId, JsonObject, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer, UserDevices } from '../keys/key-types.ts'

/** A to-device EDU of another server, shape and sender checked. */
export interface RemoteToDevice {
  readonly origin: ServerName
  readonly sender: UserId
  readonly type: string
  /** Unique for the sender's server: a message that comes again under it is stored once. */
  readonly messageId: string
  /** user id → device id (or `*`) → content. Users of other servers and unknown devices are ignored. */
  readonly messages: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>
}

export interface RemoteReceipt {
  readonly roomId: RoomId
  readonly userId: UserId
  /** `m.read`. Private receipts never travel. */
  readonly type: string
  readonly eventId: EventId
  readonly timestamp: number
  readonly threadId?: string
}

/**
 * What federation asks of the parts that hold this server's own users: accounts, keys and ephemeral. Wired by createHomeserver.
 * Whatever stores something resolves after its commit, and throws StorageFullError when nothing was stored.
 */
export interface LocalUsers {
  exists(userId: UserId): Promise<boolean>
  profileOf(userId: UserId): Promise<{ readonly displayname?: string; readonly avatar_url?: string } | undefined>
  /** Keys of local users for another server: no user-signing keys. */
  queryKeys(userIds: readonly UserId[]): Promise<KeyQueryAnswer>
  claimKeys(claims: KeyClaims, signal: AbortSignal): Promise<ClaimedKeys>
  devicesOf(userId: UserId): Promise<UserDevices | undefined>
  /** Idempotent by (origin, messageId). */
  receiveToDevice(message: RemoteToDevice, signal: AbortSignal): Promise<void>
  receiveTyping(typing: { readonly roomId: RoomId; readonly userId: UserId; readonly typing: boolean }): void
  receiveReceipts(receipts: readonly RemoteReceipt[], signal: AbortSignal): Promise<void>
}
