/* oxlint-disable eslint/no-console -- the place where the log of a browser goes */
import type { Log } from '@kith/homeserver/ports'

export const consoleLog: Log = {
  debug: (message, fields = {}) => console.debug(message, fields),
  info: (message, fields = {}) => console.debug(message, fields),
  warn: (message, fields = {}) => console.warn(message, fields),
  error: (message, fields = {}) => console.error(message, fields),
}
