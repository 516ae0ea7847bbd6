import type { JsonObject, RoomAlias, ServerName, UserId } from '@kith/matrix-protocol'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer, UserDevices } from '../keys/key-types.ts'

/**
 * What federation asks of the parts that hold this server's own users: accounts, keys and ephemeral. Wired by createHomeserver.
 * Whatever stores something resolves after its commit, and throws StorageFullError when nothing was stored.
 */
export interface LocalUsers {
  exists(userId: UserId): boolean
  /** Whether the user exists, or came to be because of the question: an application service may make users when they are asked for. */
  existsOrIsMade(userId: UserId, signal: AbortSignal): Promise<boolean>
  /** Whether an application service made an alias of this server because of the question. */
  makesAlias(alias: RoomAlias, signal: AbortSignal): Promise<boolean>
  /** Whether the user wants no invites at all. */
  blocksInvites(userId: UserId): Promise<boolean>
  /** Everything in the profile, which is public. */
  profileOf(userId: UserId): Promise<JsonObject | undefined>
  /** Keys of local users for another server: no user-signing keys. */
  queryKeys(userIds: readonly UserId[]): Promise<KeyQueryAnswer>
  claimKeys(claims: KeyClaims): Promise<ClaimedKeys>
  devicesOf(userId: UserId): Promise<UserDevices | undefined>
  /**
   * An EDU of another server's users: `m.direct_to_device` (idempotent by message id), `m.device_list_update`, `m.signing_key_update`,
   * `m.typing`, `m.receipt`, `m.presence`. Malformed content, and such as speaks for users of other servers than `origin`, is ignored.
   */
  receiveEdu(origin: ServerName, type: UserEduType, content: JsonObject): Promise<void>
}

export type UserEduType = 'm.direct_to_device' | 'm.device_list_update' | 'm.signing_key_update' | 'm.typing' | 'm.receipt' | 'm.presence'
