import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStorage } from '@kith/storage/sqlite'
import type { Bench } from './bench.ts'
import { measureNode } from './load/measure-node.ts'
import { nodeEngine } from './load/node-engine.ts'

export const nodeBench: Bench = {
  name: 'sqlite',
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'kith-bench-'))
    let databases = 0
    try {
      return await measureNode({
        open: async (tableNames) => openSqliteStorage({ path: join(directory, `${databases++}.sqlite`), tableNames }),
        ...nodeEngine,
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
