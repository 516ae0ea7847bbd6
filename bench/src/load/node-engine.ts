import { setTimeout as sleep } from 'node:timers/promises'

/** The clock and the randomness of Node, as ports. */
export const nodeEngine = {
  clock: {
    now: () => Date.now(),
    sleep: async (durationMs: number, signal: AbortSignal): Promise<void> => {
      await sleep(durationMs, undefined, { signal })
    },
  },
  random: { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) },
} as const
