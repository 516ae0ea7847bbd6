/** Every bound of the service worker, in ms. */
export const serviceWorkerLimits = {
  /** Browsers end a service worker whose answer takes minutes; Matrix clients simply poll again. */
  pollMsMax: 30_000,
  /** How long a request waits for a node: for the page to load, or for another tab to take over. */
  nodeWithinMs: 20_000,
  /** How long the tabs have to say that they lead. */
  leaderAnswersWithinMs: 1_000,
  leaderPauseMs: 250,
} as const
