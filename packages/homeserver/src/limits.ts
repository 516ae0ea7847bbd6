/** Every bound of the homeserver, in one place. Sizes in bytes, times in ms. */
export const limits = {
  /** Given by the Matrix specification. */
  specification: {
    pdusPerTransactionMax: 50,
    edusPerTransactionMax: 100,
    tagBytesMax: 255,
    profileBytesMax: 64 * 1024,
    profileKeyBytesMax: 255,
  },
  /** Chosen by this implementation. */
  implementation: {
    /** How many stream positions one durable lease covers. */
    positionLeaseSize: 1000,
    /** The largest request body that any endpoint reads, unless it says less. */
    requestBodyBytesMax: 16 * 1024 * 1024,
    /** Client API. */
    clientBodyBytesMax: 2 * 1024 * 1024,
    jsonDepthMax: 100,
    accountsMax: 10_000,
    devicesPerUserMax: 500,
    passwordLengthMax: 512,
    displayNameLengthMax: 256,
    accountDataBytesMax: 1024 * 1024,
    accountDataEntriesPerUserMax: 10_000,
    ignoredUsersMax: 10_000,
    filterBytesMax: 32 * 1024,
    filtersPerUserMax: 1000,
    interactiveSessionsMax: 1000,
    interactiveSessionLifetimeMs: 10 * 60_000,
    /** Of clients that renew their tokens; those of others last as long as the device. */
    accessTokenLifetimeMs: 3_600_000,
    /** A token with which another client logs in: time to carry it there. */
    loginTokenLifetimeMs: 2 * 60_000,
    loginTokensMax: 100,
    deactivationRetryMs: 60_000,
    /** Rates: what may come at once, and how soon each of it comes back. No person meets them. */
    passwordFailuresPerUser: { burst: 10, returnMs: 10_000 },
    passwordFailures: { burst: 200, returnMs: 1_000 },
    registrations: { burst: 200, returnMs: 1_000 },
    loginTokensPerUser: { burst: 10, returnMs: 60_000 },
    registrationTokenChecks: { burst: 50, returnMs: 5_000 },
    changesPerUser: { burst: 20_000, returnMs: 2 },
    rateKeysMax: 10_000,
    oneTimeKeysPerDeviceMax: 1000,
    keyObjectBytesMax: 64 * 1024,
    usersPerKeyRequestMax: 5000,
    toDeviceMessagesPerRequestMax: 5000,
    toDeviceContentBytesMax: 64 * 1024,
    toDeviceInboxMax: 50_000,
    /** Beyond it users who share no room with anybody here are not heard: what they send must not push out the keys of others. */
    toDeviceInboxForStrangersMax: 1_000,
    toDeviceMessagesPerSyncMax: 100,
    /** One to-device EDU; bigger ones are split by recipient where they can be. */
    toDeviceEduBytesMax: 48 * 1024,
    toDeviceSeenLifetimeMs: 90 * 24 * 3_600_000,
    typingTimeoutMaxMs: 120_000,
    typingUsersRememberedMax: 1_000,
    receiptsPerRoomMax: 20_000,
    receiptsPerUserAndRoomMax: 500,
    presenceUsersMax: 10_000,
    presenceUpdatesPerEduMax: 100,
    statusMessageCharactersMax: 1_000,
    /** How long a client counts as connected after its last poll. */
    presenceGraceMs: 30_000,
    presenceCheckIntervalMs: 30_000,
    /** Clients here hear of changes at most so often. */
    presenceTellIntervalMs: 1_000,
    presenceActiveMs: 60_000,
    presenceIdleMs: 5 * 60_000,
    /** Other servers are told at most so often, and at least so often of who is there. */
    presenceSendIntervalMs: 10_000,
    presenceRepeatMs: 25 * 60_000,
    presenceOfOthersLifetimeMs: 30 * 60_000,
    pushRulesPerKindMax: 1000,
    /** Characters of patterns times those of texts that are compared for one event and user. */
    pushPatternStepsMax: 10_000_000,
    /** Of all users; each may have a request under way. */
    pushersMax: 1_000,
    pushersPerUserMax: 50,
    pusherDataBytesMax: 16 * 1024,
    pushesPerPageMax: 50,
    pushUnreadCountedMax: 1_000,
    pushBackoffMinMs: 2_000,
    /** After a failure of this node itself. */
    pushRetryMs: 60_000,
    pushBackoffMaxMs: 3_600_000,
    /** Nobody wants to be woken for what is older. */
    pushLifetimeMs: 24 * 3_600_000,
    syncTimeoutMaxMs: 60_000,
    /** Rows of the stream that one sync reads to learn what changed; beyond them it looks at every room of the user. */
    syncRowsScannedMax: 20_000,
    syncsWaitingPerDeviceMax: 10,
    syncTimelineEventsDefault: 20,
    /** For incremental answers: a gap costs a client more than a long answer does, and some clients overlook one in which they know an event. */
    syncTimelineEventsCatchUpDefault: 200,
    syncTimelineEventsMax: 500,
    syncHeroesMax: 5,
    /** Events of one room that are looked through for those that a filter wants. */
    syncTimelineScannedMax: 2_000,
    syncTimelinePageSize: 200,
    /** Members that clients were told of, of all devices that load them as they need them. */
    sentMembersRememberedMax: 100_000,
    eventFieldsMax: 100,
    /** Sliding sync: connections in memory, of all devices and of one. A client whose connection went begins anew. */
    slidingConnectionsMax: 1_000,
    slidingConnectionsPerDeviceMax: 10,
    slidingListsMax: 100,
    slidingRangesPerListMax: 20,
    slidingSubscriptionsMax: 500,
    slidingStatePatternsMax: 200,
    slidingFilterValuesMax: 100,
    slidingTimelineEventsMax: 100,
    /** Rooms that one answer tells of; the next one goes on. */
    slidingRoomsPerAnswerMax: 500,
    /** Receipts of a room that are looked through when it is told of for the first time. */
    slidingReceiptsScannedMax: 500,
    /** Members of one room that are remembered as sent. */
    slidingMembersRememberedMax: 500,
    /** Users whose tags and direct chats are in memory. */
    slidingUsersKeptMax: 500,
    messagesPageMax: 1000,
    /** Rows of the stream that are looked through for notifications at a time. */
    notificationRowsPerCommitMax: 200,
    /** Kept for each user, about: the oldest go, so many at a time. */
    notificationsPerUserMax: 1_000,
    notificationsPrunedAtOnceMax: 100,
    notificationsPageMax: 100,
    /** Unread events of a user that are counted in one room; beyond them the oldest no longer count. */
    unreadEventsPerRoomMax: 1_000,
    /** Unread events in memory, of all users and rooms. */
    unreadEventsCachedMax: 100_000,
    /** How far back a user's own memberships are looked through for the end of their last stay in a room. */
    membershipChangesWalkedMax: 100,
    createRoomEventsMax: 500,
    /** Of a room's state, what an upgrade copies into the new room besides the settings. */
    upgradeLinksMax: 1_000,
    upgradeBansMax: 5_000,
    additionalCreatorsMax: 100,
    userSearchResultsMax: 50,
    userSearchTermCharactersMax: 1_000,
    /** Members of rooms that one search for users looks at. */
    userSearchMembersMax: 100_000,
    mutualRoomsPageMax: 500,
    reportsMax: 1_000,
    reportsPageMax: 100,
    reportReasonCharactersMax: 4_096,
    reportsPerUser: { burst: 20, returnMs: 60_000 },
    relationTypeCharactersMax: 255,
    /** Ways of relating to one event that are listed where none is named. */
    relationTypesPerEventMax: 50,
    /** Relations of one event that are looked through for an aggregation, the latest. */
    relationsAggregatedMax: 5_000,
    /** Events that an aggregation of references names. */
    referencesBundledMax: 500,
    /** How far relations of relations are followed, and how many events that may be. */
    relationsRecursionMax: 5,
    relationsFollowedMax: 1_000,
    relationsPageMax: 100,
    /** Rows read for one page of relations or threads before it ends early. */
    relationsScannedMax: 5_000,
    // Search in messages.
    /** Of a text that is indexed or searched for. */
    searchTextCharactersMax: 64 * 1024,
    searchWordsMax: 5_000,
    searchWordCharactersMax: 64,
    /** Of a search term; further ones do not count. */
    searchTermWordsMax: 32,
    searchTermCharactersMax: 1_000,
    searchPageDefault: 10,
    searchPageMax: 50,
    searchContextMax: 20,
    /** Events that have the words, looked at for one page: whether the user may see them. */
    searchCandidatesMax: 2_000,
    searchCandidatesPerReadMax: 500,
    searchTokenCharactersMax: 1_000,
    /** How long a search waits for the index to hold what was sent last. */
    searchPatienceMs: 5_000,
    searchIndexRowsPerCommitMax: 200,
    /** How long the index stays behind what is sent, while nobody searches. */
    searchIndexDelayMs: 2_000,
    searchIndexRetryMs: 60_000,

    backfillPageSize: 50,
    /** How long a client waits for other servers' history before it gets what is here. */
    backfillPatienceMs: 8000,
    backupSessionsPerRequestMax: 20_000,
    backupSessionsMax: 200_000,
    backupSessionBytesMax: 64 * 1024,
    /** Public keys kept imported for verifying. */
    verifyingKeysMax: 1024,

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

    openIdTokenLifetimeMs: 3_600_000,

    // Federation: asking other servers.
    peerRequestTimeoutMs: 10_000,
    peerResponseBytesMax: 32 * 1024 * 1024,
    /** Strings of another server's error that are passed on. */
    peerErrorCharactersMax: 500,
    joinTimeoutMs: 30_000,
    /** How often, and how far apart, a server is asked for a join until it has heard of the leave before. */
    joinInformedAttemptsMax: 5,
    joinInformedRetryMs: 1_000,
    /** What an invite or the answer to a knock may tell of the room. */
    inviteStateEventsMax: 100,
    inviteStateCharactersMax: 512 * 1024,
    /** Rooms whose members may join a restricted room; further ones do not count. */
    joinConditionsMax: 100,
    /** A room with more members is answered without those whom nobody needs at first, to whoever can do without. */
    joinMembersWholeMax: 50,
    /** How long the members of a room that was joined without them are waited for by a client that needs them. */
    membersPatienceMs: 20_000,
    /** How soon, and how late, they are asked for again. */
    completeRetryMinMs: 5_000,
    completeRetryMaxMs: 10 * 60_000,
    /** Servers in a room that an answer to a join may name. */
    serversInRoomMax: 20_000,
    /** Invites that one notice of an identity server may bring. */
    thirdPartyInvitesMax: 10,
    /** How many servers are tried, one after the other, for one join, leave or backfill. */
    serversTriedMax: 5,
    /** The time for a key claim, a profile query and an invite: a client waits for the answer. */
    interactiveTimeoutMs: 5_000,
    profileCacheMs: 10 * 60_000,
    profileCacheEntriesMax: 5_000,
    backfillEventsMax: 100,

    // Federation: answering other servers.
    requestsPerOriginMax: 8,
    requestsQueuedPerOriginMax: 32,
    transactionsRememberedPerOriginMax: 100,
    takenInvitesPerOriginMax: 1_000,
    eventIdsPerRequestMax: 100,
    usersPerKeyQueryMax: 250,
    serversPerKeyNotaryQueryMax: 50,
    notaryKeysCachedMax: 5_000,
    /** How soon a server is asked for its keys again in the name of others. */
    notaryRetryMs: 60_000,
    /** Users of a server whose membership is looked up one by one; for more the whole state is read. */
    membersLookedUpSinglyMax: 50,
    transactionBytesMax: 8 * 1024 * 1024,

    // Federation: taking in events.
    /** How often servers are asked for what is missing: while a peer waits for its answer, and afterwards. */
    fetchRoundsMax: 16,
    fetchRoundsInBackgroundMax: 60,
    fetchRequestTimeoutMs: 3_000,
    fetchStateTimeoutMs: 10_000,
    /** All events that are fetched for one another, in characters of JSON. */
    fetchedCharactersMax: 16 * 1024 * 1024,
    /** How many servers are asked for a whole copy of an event whose content is not what was hashed. */
    intactCopyServersMax: 2,
    missingEventsPerRequestMax: 50,
    /** Gaps in a room's history that are closed on the way, when something that is missing is fetched. */
    gapsAskedForMax: 5,
    eventsFetchedSinglyMax: 20,
    /** Requests to others that one server may cause at once by events that miss something; each comes back after some time. */
    fetchRequestsPerCauseMax: 300,
    fetchRequestReturnMs: 500,
    fetchCausesMax: 1_000,
    /** All fetching that one transaction of a peer may cause, while the peer waits for its answer. */
    fetchWithinTransactionMs: 10_000,
    fetchInBackgroundMs: 120_000,
    /** Events whose predecessors nobody reachable has, kept for later. */
    /** Events sent in answer to a question that came by mail; with those that still wait for that server, so many at a time. */
    mailedAnswerEventsMax: 50,
    mailedRowsWaitingMax: 100,
    stagedEventsPerRoomMax: 500,
    stagedEventsPerOriginMax: 100,
    stagedRetryIntervalMs: 60_000,
    stagedRetryIntervalMaxMs: 6 * 3_600_000,
    /** After this time an event is taken in without its predecessors, with the state that its own server tells if no other does. */
    stagedPatienceMs: 3_600_000,
    stagedLifetimeMs: 14 * 24 * 3_600_000,
    /** State and auth chain that one join or one gap may bring. */
    stateEventsMax: 50_000,
    extremitiesRoomsPerTransactionMax: 20,
    extremitiesPerRoomMax: 20,

    // Federation: delivering.
    deliverTimeoutMs: 5_000,
    /** The same while a connection lives: the peer is there, but may be slow. */
    deliverConnectedTimeoutMs: 15_000,
    deliveriesAtOnceMax: 16,
    deliverBackoffMinMs: 2_000,
    deliverBackoffMaxMs: 10 * 60_000,
    /** Transactions aim at this size; one item may be larger. */
    deliverTransactionBytes: 1024 * 1024,
    /** How long a peer that has come back may take to acknowledge what it fetched from relays, before it is sent directly. */
    acknowledgementGraceMs: 3_000,
    /** When an item that no relay takes for its size is offered to them again. */
    tooLargeForRelaysRetryMs: 3_600_000,
    ephemeralPerDestinationMax: 100,
    ephemeralLifetimeMs: 30_000,
    deliveriesPerPageMax: 1_000,

    // Relay, at the sender and the recipient.
    handoffTimeoutMs: 10_000,
    relaysPerListMax: 8,
    relaysChosenMax: 32,
    addressesPerRelayMax: 16,
    addressCharactersMax: 512,
    relayListLifetimeMs: 30 * 24 * 3_600_000,
    relayListBytesMax: 64 * 1024,
    relayListsMax: 20_000,
    /** What a relay says about custody is believed within these bounds. */
    custodyMinMs: 60_000,
    custodyMaxMs: 90 * 24 * 3_600_000,
    reservationRetryMs: 15_000,
    collectPageEntriesMax: 10,
    /** How often a relay that does not answer is asked again before its return is waited for. */
    collectAttemptsMax: 5,
    collectUnansweredRetryMs: 2_000,
    collectIntervalMs: 5 * 60_000,
    collectRetryMs: 15_000,

    // Relay, at the relay.
    mailboxTransactionBytesMax: 4 * 1024 * 1024,
    mailboxPageEntriesMax: 50,
    mailboxPageBytesMax: 8 * 1024 * 1024,
    mailWaitingIntervalMs: 1_000,
    mailboxSweepEntriesMax: 100,
  },
} as const
