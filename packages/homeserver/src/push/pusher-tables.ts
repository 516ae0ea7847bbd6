import type { JsonObject, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

/** Where notifications of a user go. One user has one for each app and push key. */
export interface Pusher {
  readonly userId: UserId
  readonly appId: string
  readonly pushkey: string
  /** The device that set it; it goes with that device. */
  readonly deviceId: string
  readonly appDisplayName: string
  readonly deviceDisplayName: string
  readonly profileTag?: string
  readonly lang: string
  /** With the gateway's `url`. */
  readonly data: JsonObject
  /** ms */
  readonly setAt: number
}

export interface PusherProgress {
  /** In the stream: notifications up to here are told, or not to be told any more. */
  readonly position: number
  /** The last count that was told. */
  readonly unread: number
  /** In a row, and when the next attempt may be, ms. */
  readonly failures: number
  readonly retryAt: number
}

export type PusherKey = readonly [UserId, appId: string, pushkey: string]

export const pusherTables = {
  pushers: { name: 'push.pushers' } as Table<PusherKey, Pusher>,
  progress: { name: 'push.pusher-progress' } as Table<PusherKey, PusherProgress>,
} as const
