import { encodeUtf8, sha256 } from '@kith/matrix-protocol'
import { accountsTables } from './accounts/tables.ts'
import { appServiceTables } from './app-services/tables.ts'
import { conversationTables } from './conversation/tables.ts'
import { directoryTables } from './directory/tables.ts'
import { ephemeralTables } from './ephemeral/tables.ts'
import { federationTables } from './federation/tables.ts'
import { keysTables } from './keys/tables.ts'
import { mediaTables } from './media/tables.ts'
import type { Key, StoredValue, Table } from './ports/index.ts'
import { notificationTables } from './push/notification-tables.ts'
import { pusherTables } from './push/pusher-tables.ts'
import { mailboxTables } from './relay/mailbox-tables.ts'
import { relayTables } from './relay/tables.ts'
import { roomsTables } from './rooms/tables.ts'
import { timelineTables } from './timeline/tables.ts'

type Tables = Readonly<Record<string, Table<Key, StoredValue>>>

const homeserverTables: readonly Tables[] = [
  timelineTables,
  roomsTables,
  accountsTables,
  keysTables,
  ephemeralTables,
  notificationTables,
  pusherTables,
  conversationTables,
  directoryTables,
  mediaTables,
  federationTables,
  relayTables,
  appServiceTables,
] as never

/** All tables of a homeserver; engines that must declare their tables are given this list. */
export const homeserverTableNames: readonly string[] = namesOf(homeserverTables)

/** All tables of a relay node. */
export const relayTableNames: readonly string[] = namesOf([mailboxTables] as never)

/**
 * One fingerprint for each list of homeserver tables that was ever released, oldest first. A changed list gets a new line, which makes
 * a new version of the schema; released lines never change.
 */
export const homeserverSchemaFingerprints: readonly string[] = ['4e836f09560c3d0d']

/** For engines that migrate when it grows. */
export const homeserverSchemaVersion = homeserverSchemaFingerprints.length

export function fingerprintOf(tableNames: readonly string[]): string {
  return sha256(encodeUtf8(JSON.stringify(tableNames.toSorted())))
    .toHex()
    .slice(0, 16)
}

function namesOf(groups: readonly Tables[]): readonly string[] {
  return groups.flatMap((tables) => Object.values(tables).map((table) => table.name))
}
