import { limits } from '../limits.ts'
import { type Log, type Storage, WriteBatch } from '../ports/index.ts'
import { conversationTables, type Report } from './tables.ts'

/** What users of this node find wrong, kept for its owner. The oldest give way. */
export class Reports {
  readonly #storage: Storage
  readonly #log: Log
  #last: Promise<number>

  constructor(storage: Storage, log: Log) {
    this.#storage = storage
    this.#log = log
    this.#last = storage.range(conversationTables.reports, { reverse: true, limit: 1 }).then(([row]) => row?.key[0] ?? 0)
    // Whoever reports something hears of the failure.
    this.#last.catch(() => undefined)
  }

  async add(report: Report): Promise<void> {
    this.#last = this.#last.then(async (last) => {
      const batch = new WriteBatch().put(conversationTables.reports, [last + 1], report)
      const oldest = last + 1 - limits.implementation.reportsMax
      if (oldest > 0) batch.delete(conversationTables.reports, [oldest])
      await this.#storage.commit(batch.writes)
      return last + 1
    })
    const added = this.#last
    // One that could not be stored does not keep the next from being.
    this.#last = added.catch(async () => {
      const [row] = await this.#storage.range(conversationTables.reports, { reverse: true, limit: 1 })
      return row?.key[0] ?? 0
    })
    await added
    this.#log.info('something was reported to the owner', { kind: report.about.kind })
  }

  /** The latest first. */
  async list(limit: number): Promise<readonly Report[]> {
    const rows = await this.#storage.range(conversationTables.reports, { reverse: true, limit })
    return rows.map(({ value }) => value)
  }
}
