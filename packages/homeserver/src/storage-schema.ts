import type { Key, StoredValue, Table } from './ports/storage.ts'
import { accountsTables } from './accounts/tables.ts'
import { ephemeralTables } from './ephemeral/tables.ts'
import { federationTables } from './federation/tables.ts'
import { keysTables } from './keys/tables.ts'
import { mailboxTables } from './relay/mailbox-tables.ts'
import { relayTables } from './relay/tables.ts'
import { roomsTables } from './rooms/tables.ts'
import { timelineTables } from './timeline/tables.ts'

type Tables = Readonly<Record<string, Table<Key, StoredValue>>>

/** All tables of a homeserver; engines that must declare their tables are given this list. */
export const homeserverTableNames: readonly string[] = namesOf(
  timelineTables,
  roomsTables,
  accountsTables,
  keysTables,
  ephemeralTables,
  federationTables,
  relayTables,
)

/** All tables of a relay node. */
export const relayTableNames: readonly string[] = namesOf(mailboxTables)

function namesOf(...groups: readonly object[]): string[] {
  return groups.flatMap((tables) => Object.values(tables as Tables).map((table) => table.name))
}
