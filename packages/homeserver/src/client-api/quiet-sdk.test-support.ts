import { type Logger, logger } from 'matrix-js-sdk/lib/logger.js'

/** For the clients of matrix-js-sdk that tests start. */
export const silentLogger: Logger = {
  getChild: () => silentLogger,
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
}

/** Silences what matrix-js-sdk tells without asking a client for its logger. */
export function silenceSdk(): void {
  // Its own type leaves out what the library behind it has.
  ;(logger as Logger & { setLevel?: (level: 'silent') => void }).setLevel?.('silent')
}
