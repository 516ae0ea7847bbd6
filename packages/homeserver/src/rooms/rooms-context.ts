import type { RoomId, ServerName } from '@kith/matrix-protocol'
import type { Clock, Crypto, Log, Random, Storage } from '../ports/index.ts'
import type { Timeline } from '../timeline/index.ts'
import type { CurrentRooms } from './current-rooms.ts'
import type { EventStore } from './event-store.ts'
import { GroupQueue } from './group-queue.ts'
import type { Invites } from './invites.ts'
import { RoomDraft } from './room-draft.ts'
import type { StateStore } from './state-store.ts'

export interface RoomsPorts {
  readonly storage: Storage
  readonly crypto: Crypto
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What the parts of `Rooms` share. */
export interface RoomsContext {
  readonly ports: RoomsPorts
  readonly timeline: Timeline
  readonly serverName: ServerName
  readonly rooms: CurrentRooms
  /** Ids of rooms that are being created. */
  readonly creating: Set<RoomId>
  readonly store: EventStore
  readonly states: StateStore
  readonly invites: Invites
  readonly queues: RoomQueues
  readonly completions: Completions
}

/** Tells who waits for the whole state of a room. */
export class Completions {
  readonly #waiting = new Map<RoomId, Set<() => void>>()

  tell(roomId: RoomId): void {
    const waiting = this.#waiting.get(roomId)
    this.#waiting.delete(roomId)
    for (const resolve of waiting ?? []) resolve()
  }

  async wait(roomId: RoomId, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    const waiting = this.#waiting.getOrInsertComputed(roomId, () => new Set())
    waiting.add(resolve)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      waiting.delete(resolve)
      if (waiting.size === 0 && this.#waiting.get(roomId) === waiting) this.#waiting.delete(roomId)
    }
  }
}

/** One serial queue for each room that is being changed. */
export class RoomQueues {
  readonly #context: () => RoomsContext
  readonly #queues = new Map<RoomId, GroupQueue<RoomDraft>>()

  constructor(context: () => RoomsContext) {
    this.#context = context
  }

  /** The room must exist when its turn comes. */
  async run<T>(roomId: RoomId, job: (draft: RoomDraft) => Promise<() => T>, signal: AbortSignal): Promise<T> {
    return this.#queueOf(roomId).run(job, signal)
  }

  /** For jobs with commits of their own, also in rooms that do not exist yet. */
  async runAlone<T>(roomId: RoomId, job: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#queueOf(roomId).runAlone(job, signal)
  }

  #queueOf(roomId: RoomId): GroupQueue<RoomDraft> {
    return this.#queues.getOrInsertComputed(roomId, () => this.#makeQueue(roomId))
  }

  #makeQueue(roomId: RoomId): GroupQueue<RoomDraft> {
    const begin = (): RoomDraft => {
      const context = this.#context()
      const room = context.rooms.get(roomId)
      if (room === undefined) throw new Error(`there is no room ${roomId}`)
      return new RoomDraft(room, context)
    }
    return new GroupQueue(
      begin,
      async (draft) => void (await commitDraft(this.#context(), draft)),
      () => this.#queues.delete(roomId),
    )
  }
}

/** Stores what the draft holds, and returns the position; memory follows before anybody hears of it. */
export async function commitDraft(context: RoomsContext, draft: RoomDraft, applied?: () => void): Promise<number> {
  if (draft.isEmpty) return context.timeline.position
  await draft.events.signed()
  return context.timeline.commit(
    (transaction) => {
      draft.write(transaction)
      context.invites.writeDropsFor(transaction, draft.joins())
    },
    () => {
      draft.apply()
      context.invites.applyDropsFor(draft.joins())
      applied?.()
    },
  )
}
