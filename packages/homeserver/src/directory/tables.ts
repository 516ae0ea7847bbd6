import type { RoomAlias, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface StoredAlias {
  readonly roomId: RoomId
  readonly creator: UserId
}

export const directoryTables = {
  aliases: { name: 'directory.aliases' } as Table<readonly [RoomAlias], StoredAlias>,
} as const
