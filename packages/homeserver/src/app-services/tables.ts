import type { EventId, JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

/** Something that a service is to be told, as far as it has to be remembered. */
export type DeliveryItem =
  | { readonly kind: 'event'; readonly eventId: EventId }
  /** Of a room whose events this server does not hold. */
  | { readonly kind: 'invite'; readonly event: JsonObject }
  | { readonly kind: 'to-device'; readonly userId: UserId; readonly deviceId: string; readonly position: number }
  | { readonly kind: 'ephemeral'; readonly event: JsonObject }

export interface PendingTransaction {
  readonly id: string
  readonly items: readonly DeliveryItem[]
}

/** How far a service was told. */
export interface StoredDelivery {
  /** Begins the ids of its transactions, so that those of a node that was set up anew are others. */
  readonly series: string
  /** How many transactions it has taken. */
  readonly taken: number
  /** In the stream: what lies up to here was told, or is in `pending`, or is none of its business. */
  readonly position: number
  /** What is being told; the same until the service has taken it. */
  readonly pending?: PendingTransaction
  /** In a row, and when the next attempt may be, ms. */
  readonly failures: number
  readonly retryAt: number
}

export const appServiceTables = {
  deliveries: { name: 'app-services.deliveries' } as Table<readonly [serviceId: string], StoredDelivery>,
  /** The rooms that services show under a network of theirs. */
  networkRooms: { name: 'app-services.network-rooms' } as Table<readonly [serviceId: string, network: string, RoomId], true>,
} as const
