import { Semaphore } from './semaphore.ts'

interface Lane {
  readonly places: Semaphore
  /** Running or waiting. */
  tasks: number
}

/** Lets at most so many tasks run at once, and of those of one cause only a share: a slow one does not hold up what others wait for. */
export class FairPlaces {
  readonly #all: Semaphore
  readonly #tasksPerCauseMax: number
  readonly #lanes = new Map<string, Lane>()

  constructor({ tasksMax, tasksPerCauseMax }: { readonly tasksMax: number; readonly tasksPerCauseMax: number }) {
    this.#all = new Semaphore(tasksMax)
    this.#tasksPerCauseMax = tasksPerCauseMax
  }

  /** How many causes this holds something for. */
  get causeCount(): number {
    return this.#lanes.size
  }

  /** @throws the signal's reason when it aborts before the task begins. */
  async run<T>(cause: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.getOrInsertComputed(cause, () => ({ places: new Semaphore(this.#tasksPerCauseMax), tasks: 0 }))
    lane.tasks++
    try {
      return await lane.places.run(signal, () => this.#all.run(signal, task))
    } finally {
      if (--lane.tasks === 0) this.#lanes.delete(cause)
    }
  }
}
