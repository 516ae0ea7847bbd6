import { type OpenStorage, storageCases, suiteTableNames, suiteTables } from '@kith/testkit/storage-cases'
import { openDexieStorage } from '@kith/storage/dexie'
import fc from 'fast-check'

const open: OpenStorage = async (place, faultPoint) => {
  const options = { name: `suite-${place}`, tableNames: suiteTableNames, version: 1 }
  return openDexieStorage(faultPoint === undefined ? options : { ...options, faultPoint })
}

/** What the test outside may call; each returns `ok` or what went wrong, because errors lose their text on the way out. */
const runner = {
  async runCase(name: string, seed: number): Promise<string> {
    return report(async () => {
      fc.configureGlobal({ seed })
      const found = storageCases.find((candidate) => candidate.name === name)
      if (found === undefined) throw new Error('no such case')
      await found.run(open, `${storageCases.indexOf(found)}`)
    })
  },

  /** Opens version 1, lets "another tab" open version 2 with one more table, and tells what became of both. */
  async upgrade(): Promise<string> {
    return report(async () => {
      const old = await openDexieStorage({ name: 'upgrade', tableNames: suiteTableNames, version: 1 })
      await old.commit([{ kind: 'put', table: suiteTables.first.name, key: ['k'], value: 1 }])
      const pending = old.commit([{ kind: 'put', table: suiteTables.first.name, key: ['k'], value: 2 }])
      await using upgraded = await openDexieStorage({ name: 'upgrade', tableNames: [...suiteTableNames, 'suite.third'], version: 2 })
      await pending
      const refused = await old.get(suiteTables.first, ['k']).then(
        () => false,
        () => true,
      )
      if (!refused) throw new Error('the old storage still answers')
      if ((await upgraded.get(suiteTables.first, ['k'])) !== 2) throw new Error('data was lost')
      await upgraded.commit([{ kind: 'put', table: 'suite.third', key: ['k'], value: 3 }])
    })
  },

  /** Writes until the quota is used up; returns the name of the error, and whether what was committed before is whole. */
  async fillQuota(): Promise<string> {
    await using storage = await openDexieStorage({ name: 'quota', tableNames: suiteTableNames, version: 1 })
    for (let index = 0; index < 500; index++) {
      const value = crypto.getRandomValues(new Uint8Array(65_536))
      try {
        await storage.commit(
          Array.from({ length: 16 }, (_, part) => ({ kind: 'put', table: suiteTables.first.name, key: [index, part], value })),
        )
      } catch (error) {
        const stored = await storage.range(suiteTables.first, { after: [Math.max(0, index - 1)], limit: 100 })
        return `${(error as Error).name}, ${stored.length} entries of the last two commits`
      }
    }
    return 'never full'
  },
}

async function report(action: () => Promise<void>): Promise<string> {
  try {
    await action()
    return 'ok'
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error)
  }
}

export type StorageRunner = typeof runner

Object.assign(globalThis, { storageRunner: runner })
