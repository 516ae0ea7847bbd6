import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface ChosenRelay {
  readonly addresses: readonly string[]
  /** False: configured at start, but removed at run time. */
  readonly active: boolean
}

/** Relay lists and chosen relays, at every homeserver. */
export const relayTables = {
  chosen: { name: 'relay.chosen' } as Table<readonly [ServerName], ChosenRelay>,
  /** This server's own signed list. */
  ownList: { name: 'relay.own-list' } as Table<readonly [], JsonObject>,
  /** Signed lists of others, the newest of each. */
  lists: { name: 'relay.lists' } as Table<readonly [ServerName], JsonObject>,
} as const
