import type { Write } from '@kith/homeserver/ports'

export interface PendingCommit {
  readonly writes: readonly Write[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export interface GroupCommitOptions {
  /** Settles every commit of the group it is given, and never rejects. */
  readonly writeGroup: (group: readonly PendingCommit[]) => Promise<void>
  readonly groupMax: number
  /**
   * Resolves when whatever was ready has run. For an engine that holds up everything while it writes: it is given a group only when a turn
   * brings no more commits to it, instead of holding up those that come a moment later behind a flush of their own.
   */
  readonly nextTurn?: () => Promise<void>
}

/** A stream of commits that never pauses does not keep the first one waiting for longer. */
const GATHERING_TURNS_MAX = 8

/**
 * Gathers commits and hands them to the engine in groups, one group at a time, in the order in which they were issued.
 * While one group is being written the next one fills, so that many commits share the cost of becoming durable.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions
  #pending: PendingCommit[] = []
  #running: Promise<void> | undefined
  #closed: Error | undefined

  constructor(options: GroupCommitOptions) {
    this.#options = options
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
    const { writeGroup, groupMax } = this.#options
    // One turn of the microtask queue, so that commits issued together travel together.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      await this.#gather()
      await writeGroup(this.#pending.splice(0, groupMax))
    }
    this.#running = undefined
  }

  async #gather(): Promise<void> {
    const { groupMax, nextTurn } = this.#options
    if (nextTurn === undefined) return
    let gathered = 0
    for (let turn = 0; turn < GATHERING_TURNS_MAX && gathered < this.#pending.length && gathered < groupMax; turn++) {
      gathered = this.#pending.length
      await nextTurn()
    }
  }
}
