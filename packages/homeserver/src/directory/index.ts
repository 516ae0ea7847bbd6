export { type Directory, openDirectory } from './directory.ts'
export { listPublicRooms, parsePublicRooms, parseRoomsFilter, type PublicRoomsPage, type PublicRoomsQuery } from './public-rooms.ts'
export { isWorldReadable, type RoomSummary, summaryOf } from './room-summary.ts'
export type { StoredAlias } from './tables.ts'
export { searchUsers } from './user-search.ts'
export {
  childrenOf,
  describeRoom,
  describeSpace,
  isSuggested,
  parseSpaceAnswer,
  type SpaceAnswer,
  type SpaceSummary,
  summaryVisibleToUser,
  visibleToServer,
  visibleToUser,
} from './spaces.ts'
