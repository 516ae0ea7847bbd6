import type { JsonObject, UserId } from '@kith/matrix-protocol'

/** What is known of the keys of some users: the body of `/keys/query` answers, client-server and federation alike, without `failures`. */
export interface KeyQueryAnswer {
  /** user id → device id → the signed device keys object. */
  readonly device_keys: Record<string, Record<string, JsonObject>>
  readonly master_keys: Record<string, JsonObject>
  readonly self_signing_keys: Record<string, JsonObject>
  /** Only ever the asking user's own. Empty in answers to other servers. */
  readonly user_signing_keys: Record<string, JsonObject>
}

/** user id → device id → algorithm. */
export type KeyClaims = Readonly<Record<string, Readonly<Record<string, string>>>>

/** user id → device id → `algorithm:key id` → the key. */
export type ClaimedKeys = Record<string, Record<string, JsonObject>>

/** The answer of `GET /_matrix/federation/v1/user/devices/{userId}`. */
export interface UserDevices {
  readonly user_id: UserId
  readonly stream_id: number
  readonly devices: readonly { readonly device_id: string; readonly keys: JsonObject; readonly device_display_name?: string }[]
  readonly master_key?: JsonObject
  readonly self_signing_key?: JsonObject
}
