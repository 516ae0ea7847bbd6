/** Every bound of the way between a page and its node. Sizes in bytes, times in ms. */
export const nodePortLimits = {
  /** The largest body in either direction; media pass through whole. */
  bodyBytesMax: 64 * 1024 * 1024,
  /** All header names and values of a message together. */
  headerBytesMax: 64 * 1024,
  urlLengthMax: 16 * 1024,
  /** Unanswered requests on one port; a client that asks for more is refused. */
  requestsInFlightMax: 512,
  /** Ports a node serves at a time: a few for each tab, one for the service worker. */
  portsMax: 256,
  /** How often one request may move to another connection. */
  attemptsMax: 12,
  /** A port with unanswered requests is looked at this often. */
  livenessCheckMs: 10_000,
  /** After this many looks without a word from the other side the connection counts as lost. */
  silentChecksMax: 2,
  /** A port that was handed to a tab must answer by then, or another is handed over. */
  greetingMs: 3_000,
  /** Pause before the next try to reach the leading tab. */
  reconnectPauseMs: 250,
} as const
