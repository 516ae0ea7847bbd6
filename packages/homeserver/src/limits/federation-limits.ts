/** What other servers and relays may cause, and how they are spoken to. Sizes in bytes, times in ms. */
export const federationLimits = {
  // Federation: asking other servers.
  peerRequestTimeoutMs: 10_000,
  peerResponseBytesMax: 32 * 1024 * 1024,
  /** Strings of another server's error that are passed on. */
  peerErrorCharactersMax: 500,
  /** JSON of other servers. Deeper, and a walk over it might exhaust the stack. */
  peerJsonDepthMax: 200,
  roomVersionCharactersMax: 32,
  joinTimeoutMs: 30_000,
  /** How often, and how far apart, a server is asked for a join until it has heard of the leave before. */
  joinInformedAttemptsMax: 5,
  joinInformedRetryMs: 1_000,
  /** Servers asked to take a leave before it is left to the outbox: a user waits who wants to be rid of an invite. */
  leaveServersToldMax: 2,
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
  completedAtOnceMax: 2,
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
  profileTextCharactersMax: 1_000,
  backfillEventsMax: 100,

  // Federation: answering other servers.
  requestsPerOriginMax: 8,
  requestsQueuedPerOriginMax: 32,
  transactionsRememberedPerOriginMax: 100,
  takenInvitesPerOriginMax: 1_000,
  takenInviteHashCharactersMax: 64,
  eventIdsPerRequestMax: 100,
  missingEventsDefault: 10,
  publicRoomsAskedForMax: 1_000_000_000,
  roomBusyRetryMs: 2_000,
  /** How long others may use the key of this server before they ask again. */
  serverKeyValidityMs: 24 * 3_600_000,
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
  stagedRoomsMax: 10_000,
  stagedRetryIntervalMs: 60_000,
  stagedRetryIntervalMaxMs: 6 * 3_600_000,
  /** After this time an event is taken in without its predecessors, with the state that its own server tells if no other does. */
  stagedPatienceMs: 3_600_000,
  stagedLifetimeMs: 14 * 24 * 3_600_000,
  /** State and auth chain that one join or one gap may bring. */
  stateEventsMax: 50_000,
  extremitiesRoomsPerTransactionMax: 20,
  extremitiesPerRoomMax: 20,
  /** Rooms that are compared with other servers, in all and because of one of them. */
  healedAtOnceMax: 6,
  healedPerCauseAtOnceMax: 2,

  // Federation: delivering.
  deliverTimeoutMs: 5_000,
  /** The same while a connection lives: the peer is there, but may be slow. */
  deliverConnectedTimeoutMs: 15_000,
  deliveriesAtOnceMax: 16,
  deliverBackoffMinMs: 2_000,
  deliverBackoffMaxMs: 10 * 60_000,
  /** Transactions aim at this size; one item may be larger. */
  deliverTransactionBytes: 1024 * 1024,
  acknowledgedPerEduMax: 500,
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
  /** A relay that refused a mailbox is asked again after this time: its volunteer may have changed their mind. */
  reservationRefusedRetryMs: 10 * 60_000,
  relayReconnectDelayMs: 1_000,
  collectPageEntriesMax: 10,
  /** How often a relay that does not answer is asked again before its return is waited for. */
  collectAttemptsMax: 5,
  collectUnansweredRetryMs: 2_000,
  collectIntervalMs: 5 * 60_000,
  collectRetryMs: 15_000,

  // Relay, at the relay.
  mailboxTransactionBytesMax: 4 * 1024 * 1024,
  mailboxPageEntriesMax: 50,
  /** Retrying sooner than this is no use to a sender that met a quota. */
  mailboxQuotaRetryMs: 60_000,
  /** Transactions remembered for each entry that a mailbox may hold. */
  mailboxAcceptedPerEntryMax: 10,
  mailboxPageBytesMax: 8 * 1024 * 1024,
  mailWaitingIntervalMs: 1_000,
  mailboxSweepEntriesMax: 100,
} as const
