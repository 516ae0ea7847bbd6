import { describe, test } from 'vitest'
import { type OpenStorage, storageCases } from './storage-cases.ts'

/** Everything that the storage port promises, run over one engine. Each case gets a place of its own. */
export function storageSuite(name: string, open: OpenStorage): void {
  describe(`${name} keeps the promises of the storage port`, () => {
    for (const [index, { name: caseName, run }] of storageCases.entries()) {
      test(caseName, { timeout: 60_000 }, async () => run(open, `case-${index}`))
    }
  })
}
