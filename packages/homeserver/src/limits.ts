/** Every bound of the homeserver, in one place. Sizes in bytes, times in ms. */
export const limits = {
  /** Given by the Matrix specification. */
  specification: {
    pdusPerTransactionMax: 50,
    edusPerTransactionMax: 100,
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
    profileBytesMax: 64 * 1024,
    accountDataBytesMax: 1024 * 1024,
    accountDataEntriesPerUserMax: 10_000,
    filterBytesMax: 32 * 1024,
    filtersPerUserMax: 1000,
    interactiveSessionsMax: 1000,
    interactiveSessionLifetimeMs: 10 * 60_000,
    oneTimeKeysPerDeviceMax: 1000,
    keyObjectBytesMax: 64 * 1024,
    usersPerKeyRequestMax: 5000,
    toDeviceMessagesPerRequestMax: 5000,
    toDeviceContentBytesMax: 64 * 1024,
    toDeviceInboxMax: 50_000,
    toDeviceMessagesPerSyncMax: 100,
    /** One to-device EDU; bigger ones are split by recipient where they can be. */
    toDeviceEduBytesMax: 48 * 1024,
    toDeviceSeenLifetimeMs: 90 * 24 * 3_600_000,
    typingTimeoutMaxMs: 120_000,
    receiptsPerRoomMax: 20_000,
    receiptsPerUserAndRoomMax: 500,
    presenceUsersMax: 10_000,
    pushRulesPerKindMax: 1000,
    syncTimeoutMaxMs: 60_000,
    /** Rows of the stream that one sync reads to learn what changed; beyond them it looks at every room of the user. */
    syncRowsScannedMax: 20_000,
    syncsWaitingPerDeviceMax: 10,
    syncTimelineEventsDefault: 20,
    /** For incremental answers: a gap costs a client more than a long answer does, and some clients overlook one in which they know an event. */
    syncTimelineEventsCatchUpDefault: 200,
    syncTimelineEventsMax: 500,
    syncHeroesMax: 5,
    messagesPageMax: 1000,
    unreadEventsScannedMax: 200,
    createRoomEventsMax: 500,
    userSearchResultsMax: 50,
    relationsScannedMax: 2000,
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
    /** Snapshots of state kept in memory, in entries. */
    snapshotCacheEntriesMax: 200_000,
    /** How many differences may lie between a snapshot and its anchor, and how many anchors between it and a whole snapshot. */
    snapshotChainMax: 64,
    /** Heads of a room's event graph; beyond it the oldest no longer count. */
    roomExtremitiesMax: 50,
    resolutionsRememberedPerRoomMax: 50,
    authChainEventsMax: 50_000,
    pendingRedactionsPerRoomMax: 1_000,
    historyPageMax: 1_000,
    /** Rows read for one page of history before it ends early. */
    historyScanMax: 5_000,
    invitesPerUserMax: 1_000,

    // Federation: asking other servers.
    peerRequestTimeoutMs: 10_000,
    peerResponseBytesMax: 32 * 1024 * 1024,
    /** Strings of another server's error that are passed on. */
    peerErrorCharactersMax: 500,
    joinTimeoutMs: 30_000,
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
    eventIdsPerRequestMax: 100,
    usersPerKeyQueryMax: 250,
    transactionBytesMax: 8 * 1024 * 1024,

    // Federation: taking in events.
    fetchRoundsMax: 8,
    missingEventsPerRequestMax: 50,
    eventsFetchedSinglyMax: 20,
    /** All fetching that one transaction of a peer may cause, while the peer waits for its answer. */
    fetchWithinTransactionMs: 10_000,
    /** Events whose predecessors nobody reachable has, kept for later. */
    stagedEventsPerRoomMax: 500,
    stagedRetryIntervalMs: 60_000,
    /** After this time an event is taken in without its predecessors. */
    stagedPatienceMs: 3_600_000,
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
