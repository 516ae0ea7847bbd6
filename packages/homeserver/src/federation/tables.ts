import type { EventId, JsonObject, Pdu, RoomId, ServerName } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

/** What was answered to a transaction, so that its repetition gets the same answer. */
export interface RememberedTransaction {
  readonly transactionId: string
  readonly answer: JsonObject
}

/** An event whose predecessors could not be had from anyone yet. */
export interface StagedEvent {
  readonly pdu: Pdu
  readonly origin: ServerName
  /** ms */
  readonly stagedAt: number
  /** How often everybody was asked in vain. */
  readonly attempts: number
  /** ms; a peer that comes within reach is asked before. */
  readonly retryAt: number
}

export const federationTables = {
  transactions: { name: 'federation.transactions' } as Table<readonly [ServerName, sequence: number], RememberedTransaction>,
  transactionIds: { name: 'federation.transaction-ids' } as Table<readonly [ServerName, transactionId: string], number>,
  staged: { name: 'federation.staged' } as Table<readonly [RoomId, EventId], StagedEvent>,
  /** Invites that came through relays, by the hash of their content; the value is when, in ms. */
  takenInvites: { name: 'federation.taken-invites' } as Table<readonly [ServerName, hash: string], number>,
  /** The sequence number of this server's own relay list that a destination has. */
  relayListSent: { name: 'federation.relay-list-sent' } as Table<readonly [ServerName], number>,
} as const
