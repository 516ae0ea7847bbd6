import { randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, Log, Random } from '@kith/homeserver/ports'
import { destination, pino } from 'pino'

export const nodeClock: Clock = {
  now: () => Date.now(),
  sleep: async (durationMs, signal) => {
    await sleep(durationMs, undefined, { signal })
  },
}

export const nodeRandom: Random = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}

/** JSON lines on standard error; standard output is kept for what the commands announce. */
export function createStderrLog(level: string): Log {
  const logger = pino({ level, base: null }, destination({ dest: 2, sync: true }))
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  }
}
