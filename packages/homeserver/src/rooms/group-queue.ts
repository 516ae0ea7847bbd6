import { limits } from '../limits.ts'

/** Too many changes wait for their turn in one room. */
export class RoomBusyError extends Error {
  override readonly name = 'RoomBusyError'
}

interface Job<Draft> {
  readonly signal: AbortSignal
  /** Works on the shared draft; resolves with what to do once the draft is committed. */
  readonly run: (sharedDraft: () => Draft) => Promise<() => void>
  readonly fail: (reason: unknown) => void
  readonly alone: boolean
  readonly onAbort: () => void
}

/**
 * The serial queue of one room. Jobs run one after the other on one draft, which is then committed for all of them together.
 *
 * Invariants:
 * 1. One job at a time, in the order of the calls; a commit ends before the next draft begins.
 * 2. A job resolves only after the commit that holds its work; when the commit fails all of its jobs fail.
 * 3. A job that throws leaves the draft as it was; the others of its group go on.
 */
export class GroupQueue<Draft> {
  readonly #begin: () => Draft
  readonly #commit: (draft: Draft) => Promise<void>
  readonly #onIdle: () => void
  readonly #jobs: Job<Draft>[] = []
  #running = false

  constructor(begin: () => Draft, commit: (draft: Draft) => Promise<void>, onIdle: () => void = () => {}) {
    this.#begin = begin
    this.#commit = commit
    this.#onIdle = onIdle
  }

  /** `job` returns how to read its outcome after the commit. */
  async run<T>(job: (draft: Draft) => Promise<() => T>, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const run = async (sharedDraft: () => Draft): Promise<() => void> => {
      const outcome = await job(sharedDraft())
      return () => resolve(outcome())
    }
    this.#add({ run, fail: reject, signal, alone: false, onAbort: () => this.#giveUp(run, reject, signal) })
    return promise
  }

  /** A job with commits of its own. */
  async runAlone<T>(job: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const run = async (): Promise<() => void> => {
      const outcome = await job()
      return () => resolve(outcome)
    }
    this.#add({ run, fail: reject, signal, alone: true, onAbort: () => this.#giveUp(run, reject, signal) })
    return promise
  }

  #add(job: Job<Draft>): void {
    job.signal.throwIfAborted()
    if (this.#jobs.length >= limits.implementation.roomQueueMax) throw new RoomBusyError('too many changes are waiting in this room')
    this.#jobs.push(job)
    // Whoever gives up while waiting hears it at once; from the moment the job runs, the commit decides.
    job.signal.addEventListener('abort', job.onAbort)
    if (this.#running) return
    this.#running = true
    void this.#runAll()
  }

  #giveUp(run: Job<Draft>['run'], fail: (reason: unknown) => void, signal: AbortSignal): void {
    const index = this.#jobs.findIndex((job) => job.run === run)
    if (index === -1) return
    this.#jobs.splice(index, 1)
    fail(signal.reason)
  }

  async #runAll(): Promise<void> {
    // One turn of the microtask queue, so that jobs of the same moment share a commit.
    await Promise.resolve()
    while (this.#jobs.length > 0) await this.#runGroup(this.#takeGroup())
    this.#running = false
    this.#onIdle()
  }

  #takeGroup(): Job<Draft>[] {
    const firstAlone = this.#jobs.findIndex((job) => job.alone)
    const together = firstAlone === -1 ? this.#jobs.length : Math.max(firstAlone, 1)
    const group = this.#jobs.splice(0, Math.min(together, limits.implementation.roomGroupMax))
    for (const job of group) job.signal.removeEventListener('abort', job.onAbort)
    return group
  }

  async #runGroup(group: readonly Job<Draft>[]): Promise<void> {
    const finishers: (() => void)[] = []
    try {
      let draft: Draft | undefined
      const sharedDraft = (): Draft => (draft ??= this.#begin())
      for (const job of group) {
        const finish = await runJob(job, sharedDraft)
        if (finish !== undefined) finishers.push(finish)
      }
      if (draft !== undefined) await this.#commit(draft)
    } catch (error) {
      for (const job of group) job.fail(error)
      return
    }
    for (const finish of finishers) finish()
  }
}

async function runJob<Draft>(job: Job<Draft>, sharedDraft: () => Draft): Promise<(() => void) | undefined> {
  try {
    job.signal.throwIfAborted()
    return await job.run(sharedDraft)
  } catch (error) {
    job.fail(error)
    return undefined
  }
}
