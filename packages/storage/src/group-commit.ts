import type { Write } from '@kith/homeserver/ports'

export interface PendingCommit {
  readonly writes: readonly Write[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers commits and hands them to the engine in groups, one group at a time, in the order in which they were issued.
 * While one group is being written the next one fills, so that many commits share the cost of becoming durable.
 */
export class GroupCommit {
  readonly #writeGroup: (group: readonly PendingCommit[]) => Promise<void>
  readonly #groupMax: number
  #pending: PendingCommit[] = []
  #running: Promise<void> | undefined
  #closed: Error | undefined

  /** `writeGroup` settles every commit of the group it is given, and never rejects. */
  constructor(writeGroup: (group: readonly PendingCommit[]) => Promise<void>, groupMax: number) {
    this.#writeGroup = writeGroup
    this.#groupMax = groupMax
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#pending.push({ writes, resolve, reject })
    this.#running ??= this.#run()
    return promise
  }

  /** Refuses further commits with `reason`, and resolves when those already issued are settled. */
  async close(reason: Error): Promise<void> {
    this.#closed ??= reason
    await this.#running
  }

  async #run(): Promise<void> {
    // One turn of the microtask queue, so that commits issued together travel together.
    await Promise.resolve()
    while (this.#pending.length > 0) await this.#writeGroup(this.#pending.splice(0, this.#groupMax))
    this.#running = undefined
  }
}
