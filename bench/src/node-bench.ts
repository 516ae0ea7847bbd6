import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStorage } from '@kith/storage/sqlite'
import type { Bench } from './bench.ts'
import { measureNode } from './load/measure-node.ts'

export const nodeBench: Bench = {
  name: 'sqlite',
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'kith-bench-'))
    let databases = 0
    try {
      return await measureNode({
        open: async (tableNames) => openSqliteStorage({ path: join(directory, `${databases++}.sqlite`), tableNames }),
        clock: {
          now: () => Date.now(),
          sleep: async (durationMs, signal) => {
            await sleep(durationMs, undefined, { signal })
          },
        },
        random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
