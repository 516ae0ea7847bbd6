/** What clients may ask, send and keep. Sizes in bytes, times in ms. */
export const clientLimits = {
  /** How many stream positions one durable lease covers. */
  positionLeaseSize: 1000,
  /** The largest request body that any endpoint reads, unless it says less. */
  requestBodyBytesMax: 16 * 1024 * 1024,
  /** Client API. */
  clientBodyBytesMax: 2 * 1024 * 1024,
  jsonDepthMax: 100,
  /** Ids of transactions and devices, types, state keys, and other names that clients and servers choose. */
  nameCharactersMax: 255,
  /** Texts for which there is no other limit: addresses, keys, secrets. */
  textCharactersMax: 1_000,
  reasonCharactersMax: 1_000,
  /** A form of a fallback page. */
  formBytesMax: 16 * 1024,
  accountsMax: 10_000,
  devicesPerUserMax: 500,
  passwordLengthMax: 512,
  displayNameLengthMax: 256,
  accountDataBytesMax: 1024 * 1024,
  accountDataEntriesPerUserMax: 10_000,
  ignoredUsersMax: 10_000,
  /** Users whose lists of these are in memory. */
  ignoredUsersKeptMax: 500,
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
  /** Of one user, by all pages together on which nobody logged in. One page alone does not use them up. */
  passwordFailuresOfStrangersPerUser: { burst: 50, returnMs: 10_000 },
  /** Pages on which users logged in. */
  familiarPagesMax: 1_000,
  registrations: { burst: 200, returnMs: 1_000 },
  loginTokensPerUser: { burst: 10, returnMs: 60_000 },
  registrationTokenChecks: { burst: 50, returnMs: 5_000 },
  registrationTokenChecksOfPages: { burst: 200, returnMs: 5_000 },
  changesPerUser: { burst: 20_000, returnMs: 2 },
  rateKeysMax: 10_000,
  oneTimeKeysPerDeviceMax: 1000,
  /** Of one user, in one request. */
  devicesNamedPerUserMax: 1_000,
  /** Users, and for each of them keys, to which one request adds signatures. */
  signedPerRequestMax: 1_000,
  keyObjectBytesMax: 64 * 1024,
  dehydratedDeviceBytesMax: 256 * 1024,
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
  typingTimeoutDefaultMs: 30_000,
  /** Other servers say that somebody types, and not how long. */
  typingTimeoutOfOthersMs: 30_000,
  typingUsersRememberedMax: 1_000,
  receiptsPerRoomMax: 20_000,
  receiptsPerUserAndRoomMax: 500,
  /** Of this server, and of all others; of each of those no more than its part. */
  presenceUsersMax: 10_000,
  presenceUsersPerServerMax: 1_000,
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
  /** All rules of a user together are no larger than other account data. */
  pushRuleBytesMax: 16 * 1024,
  pushRuleKeyCharactersMax: 255,
  pushRuleActionsMax: 20,
  pushRuleConditionsMax: 50,
  pushRulePatternCharactersMax: 1_000,
  /** Characters of patterns times those of texts that are compared for one event and user. */
  pushPatternStepsMax: 10_000_000,
  /** Of all users; each may have a request under way. */
  pushersMax: 1_000,
  pushersPerUserMax: 50,
  pusherDataBytesMax: 16 * 1024,
  /** Given by the specification, as is that of names. */
  pusherAppIdCharactersMax: 64,
  pushkeyBytesMax: 512,
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
  /** Messages of each room in an answer to /initialSync, which tells of all rooms. */
  initialSyncMessagesMax: 100,
  initialSyncMessagesDefault: 10,
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
  /** The same in all lists and subscriptions of a request, and the spaces that its lists name: the state of each is walked. */
  slidingStatePatternsPerRequestMax: 10_000,
  slidingSpacesPerRequestMax: 200,
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
  /** Gaps that are tried to be filled for one page. */
  historyGapsFilledMax: 4,
  /** Events near a time that the user may not see, and that are passed over. */
  timestampUnseenMax: 50,
  /** Relations from an event to the root of its thread: as many as the specification recommends. */
  threadHopsMax: 3,
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
  createRoomInvitesMax: 100,
  createRoomNameCharactersMax: 1_000,
  createRoomTopicCharactersMax: 10_000,
  createRoomAliasCharactersMax: 150,
  /** Servers that a client names, or that are asked, to get into a room. */
  serversNamedMax: 20,
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
  relationsPageDefault: 20,
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
  /** Of each application service: whether a user is in its namespaces. */
  appServiceUsersRememberedMax: 20_000,
  appServiceItemsPerTransactionMax: 100,
  appServiceRowsPerPage: 500,
  /** How far a service without news is read past what is stored of it: so much is looked at again after a crash. */
  appServiceRowsUnstoredMax: 5_000,
  appServiceBackoffMinMs: 1_000,
  appServiceBackoffMaxMs: 60_000,
  appServiceLookUpResultsMax: 1_000,
  appServiceNetworkRoomsMax: 10_000,
  /** Of what a service answers to a ping, as its owner is shown it. */
  appServiceAnswerCharactersMax: 1_000,
} as const
