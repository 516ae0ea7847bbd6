/** Rooms, files and the directory. Sizes in bytes, times in ms. */
export const roomLimits = {
  // Rooms.
  /** Changes waiting for their turn in one room; more are refused. */
  roomQueueMax: 2_000,
  /** Changes of one room that share a commit. */
  roomGroupMax: 64,
  /** Events whose signatures are verified at the same time. */
  verifyAtOnceMax: 64,
  /** Outliers written by one commit. */
  outliersPerCommitMax: 500,
  /** Events kept in memory besides the current state, in characters of JSON. */
  eventCacheCharactersMax: 16 * 1024 * 1024,
  /** Nodes of states kept in memory, in strings. */
  stateNodeCachePartsMax: 150_000,
  /** Heads of a room's event graph; beyond it the oldest no longer count. */
  roomExtremitiesMax: 50,
  resolutionsRememberedPerRoomMax: 50,
  authChainEventsMax: 50_000,
  pendingRedactionsPerRoomMax: 1_000,
  /** Soft-failed events of a room that may turn out to be old, when a gap closes. */
  doubtsPerRoomMax: 100,
  /** Events that are looked through for them when a gap closes. */
  doubtsWalkedMax: 1_000,
  /** Events before gaps in a room's history that are waited for. */
  gapsPerRoomMax: 2_000,
  /** Events looked through for those that lie beside the join of a server, which it has not been sent. */
  besideJoinWalkedMax: 200,
  /** Servers that may still ask how they came to be out of a room. */
  displacedServersPerRoomMax: 32,
  /** How far back the states of backfilled events are put together for an event that follows them. */
  statesComputedAtOnceMax: 500,
  /** Failed events looked through for the heads behind them. */
  failedEventsWalkedMax: 500,
  /** Received events judged in one turn of the room's queue. */
  receivedAtOnceMax: 64,
  /** Events judged again by one commit, once the members of a room are known. */
  judgedAgainPerCommitMax: 200,
  /** Rooms opened at the same time when the server starts. */
  roomsOpenedAtOnceMax: 32,
  historyPageMax: 1_000,
  /** Rows read for one page of history before it ends early. */
  historyScanMax: 5_000,
  invitesPerUserMax: 1_000,
  /** Of these from users of one other server. */
  invitesPerUserAndServerMax: 100,
  /** All invites of one user with what they tell of their rooms, in characters of JSON: they are in memory, and in each first sync. */
  inviteCharactersPerUserMax: 8 * 1024 * 1024,

  // Media.
  /** Below what the peer network carries in one body, with room for the parts around the file. */
  mediaFileBytesMax: 50 * 1024 * 1024,
  /** Of the answer of another server, everything before the bytes of the file. */
  mediaHeadBytesMax: 64 * 1024,
  mediaTypeCharactersMax: 255,
  mediaNameCharactersMax: 255,
  mediaPerUserBytesMax: 4 * 1024 * 1024 * 1024,
  mediaPerUserFilesMax: 100_000,
  /** One row of storage. It cannot change for files that are stored: ranges are found by it. */
  mediaChunkBytes: 256 * 1024,
  mediaChunksPerCommitMax: 100,
  mediaPendingPerUserMax: 20,
  mediaPendingRetryMs: 60_000,
  mediaPendingLifetimeMs: 24 * 3_600_000,
  mediaPendingScannedMax: 10_000,
  /** How long a request waits for content that is announced: what the specification has by default, and the most. */
  mediaPatienceDefaultMs: 20_000,
  mediaPatienceMaxMs: 60_000,
  /** Requests of one server that wait for content; fewer than it may have under way. */
  mediaWaitsPerOriginMax: 2,
  /** Kept of other servers' files. */
  remoteMediaBytesMax: 512 * 1024 * 1024,
  remoteMediaEvictedAtOnceMax: 100,
  remoteMediaUseResolutionMs: 3_600_000,
  remoteMediaFetchesAtOnceMax: 16,
  remoteMediaFetchesPerServerMax: 4,
  /** From the request until the last byte. */
  remoteMediaFetchMs: 10 * 60_000,
  thumbnailSideMax: 10_000,
  /** Of what a thumbnail is made of: its file is in memory while that lasts, and so are its pixels. */
  thumbnailSourceBytesMax: 32 * 1024 * 1024,
  thumbnailPixelsMax: 40_000_000,
  thumbnailBytesMax: 4 * 1024 * 1024,
  thumbnailMakeMs: 10_000,
  /** Thumbnails are made one after the other; so many may wait. */
  thumbnailsWaitingMax: 64,
  /** Previews of pages. */
  urlPreviewsAtOnceMax: 4,
  urlPreviewMs: 20_000,
  urlPreviewsKeptMax: 500,
  urlPreviewLifetimeMs: 3_600_000,
  urlPreviewUrlCharactersMax: 4_096,
  /** Files remembered of which no thumbnail can be made. */
  thumbnailRefusalsMax: 1_000,

  // Directory.
  aliasesMax: 10_000,
  aliasesPerRoomMax: 200,
  aliasServersMax: 50,
  publishedRoomsMax: 5_000,
  publicRoomsPageMax: 100,
  publicRoomsSearchCharactersMax: 200,
  /** Children of one space that are looked at. */
  spaceChildrenMax: 200,
  spaceDepthMax: 20,
  /** Servers that a child names. */
  spaceChildServersMax: 20,
  spacePageDefault: 20,
  spacePageMax: 50,
  /** Rooms of one walk through a space, over all of its pages. */
  spaceRoomsMax: 1_000,
  spaceWalksMax: 100,
  spaceWalkLifetimeMs: 10 * 60_000,
  spaceAnswersCachedMax: 500,
  spaceAnswerCacheMs: 5 * 60_000,
  spaceServersAskedMax: 3,
  /** After this time a page of a walk ends with what was found, and the next one goes on. */
  spacePagePatienceMs: 10_000,
  /** Characters of a name, topic or id that another server gives. */
  roomSummaryCharactersMax: 4_096,
  /** Rooms whose members may join, as a summary names them. */
  roomSummaryAllowedMax: 50,

  openIdTokenLifetimeMs: 3_600_000,
  openIdTokenCharactersMax: 2_048,
} as const
