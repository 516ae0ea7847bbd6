/** Every bound of the chat client in one place. */
export const chatLimits = {
  /** Characters of an invite link's payload; a signed relay list with a few addresses takes about 1,200. */
  contactLinkCharactersMax: 8_192,
  /** Characters of a display name, here and in links. */
  displayNameCharactersMax: 80,
  /** Characters of the name part of a user id made from a display name. */
  usernameCharactersMax: 24,
  /** Bytes of a message's JSON content. Encrypted it grows by a third, and an event may have 65,535 bytes. */
  messageContentBytesMax: 40_000,
  /** Messages waiting on this device for its own node. */
  outboxEntriesMax: 1_000,
  /** Message states kept in memory. Older undelivered ones come back with the next snapshot. */
  deliveriesMax: 5_000,
  /** Events asked for when scrolling back. */
  historyPageEvents: 40,
  /** Messages looked at when counting unread ones. */
  unreadCountMax: 99,
  /** Two messages of one person closer than this are shown as one group. */
  groupGapMs: 5 * 60_000,
  /** Long polls stay below the 30 s that every browser's service worker survives. */
  pollTimeoutMs: 25_000,
  /** An answer of the node may take this much longer than the poll. */
  pollGraceMs: 20_000,
  /** Reaching somebody else's node: dialling and relays included. */
  remoteRequestTimeoutMs: 90_000,
  /** Tries to reach somebody else's node before people are told; each takes some ten seconds. */
  remoteAttemptsMax: 3,
  remoteAttemptGapMs: 1_000,
  /** How long a send that is under way may hold up the move to another tab. */
  shutdownSendWaitMs: 4_000,
  /** How long the crypto store may take to close. */
  shutdownStoreWaitMs: 4_000,
  retryDelaysMs: [500, 1_000, 2_000, 5_000, 10_000],
} as const
