import type { RoomAlias, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface StoredAlias {
  readonly roomId: RoomId
  readonly creator: UserId
}

export interface PublishedRoom {
  readonly by: UserId
}

export const directoryTables = {
  aliases: { name: 'directory.aliases' } as Table<readonly [RoomAlias], StoredAlias>,
  aliasesByRoom: { name: 'directory.aliases-by-room' } as Table<readonly [RoomId, RoomAlias], true>,
  published: { name: 'directory.published' } as Table<readonly [RoomId], PublishedRoom>,
} as const
