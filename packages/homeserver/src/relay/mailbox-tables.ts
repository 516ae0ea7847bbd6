import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface MailboxRow {
  /** ms; without renewal the mailbox takes no more mail from then on, and goes once it is empty. */
  readonly reservedUntil: number
  /** The newest entry id ever given out; ids are never reused. */
  readonly lastEntryId: number
  /** Everything up to here is collected or expired. */
  readonly acknowledgedEntryId: number
  readonly entries: number
  readonly bytes: number
}

export interface EntryRow {
  readonly sender: ServerName
  readonly transaction: JsonObject
  readonly bytes: number
  /** ms; the relay may drop the entry from then on. */
  readonly expiresAt: number
}

export interface AcceptedRow {
  readonly sender: ServerName
  readonly transactionId: string
  readonly expiresAt: number
}

export interface SenderRow {
  readonly entries: number
  readonly bytes: number
}

/** Mailboxes, at a relay. */
export const mailboxTables = {
  mailboxes: { name: 'mailbox.mailboxes' } as Table<readonly [ServerName], MailboxRow>,
  entries: { name: 'mailbox.entries' } as Table<readonly [ServerName, entryId: number], EntryRow>,
  /** What each sender has lying in a mailbox. */
  senders: { name: 'mailbox.senders' } as Table<readonly [ServerName, sender: ServerName], SenderRow>,
  /** Transactions taken within the custody time, collected or not: a repetition stores nothing. */
  transactions: { name: 'mailbox.transactions' } as Table<readonly [ServerName, sender: ServerName, transactionId: string], number>,
  /** The same by entry id, so that the oldest can be forgotten. */
  accepted: { name: 'mailbox.accepted' } as Table<readonly [ServerName, entryId: number], AcceptedRow>,
  /** The greatest entry id of any mailbox that was given up. */
  floor: { name: 'mailbox.floor' } as Table<readonly [], number>,
} as const
