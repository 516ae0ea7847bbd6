import type { Log } from '@kith/homeserver/ports'

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}
