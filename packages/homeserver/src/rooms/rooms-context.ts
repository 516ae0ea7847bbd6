import type { RoomId, ServerName } from '@kith/matrix-protocol'
import type { Clock, Crypto, Log, Random, Storage } from '../ports/index.ts'
import type { Timeline } from '../timeline/index.ts'
import type { EventStore } from './event-store.ts'
import { GroupQueue } from './group-queue.ts'
import type { Invites } from './invites.ts'
import type { Room } from './room.ts'
import { RoomDraft } from './room-draft.ts'
import type { SnapshotStore } from './snapshots.ts'

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
  readonly rooms: Map<RoomId, Room>
  /** Ids of rooms that are being created. */
  readonly creating: Set<RoomId>
  readonly store: EventStore
  readonly snapshots: SnapshotStore
  readonly invites: Invites
  readonly queues: RoomQueues
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
      return new RoomDraft(room, context.serverName, context.store, context.snapshots)
    }
    return new GroupQueue(
      begin,
      async (draft) => commitDraft(this.#context(), draft),
      () => this.#queues.delete(roomId),
    )
  }
}

/** Stores what the draft holds; memory follows before anybody hears of it. */
export async function commitDraft(context: RoomsContext, draft: RoomDraft, applied?: () => void): Promise<void> {
  if (draft.isEmpty) return
  await context.timeline.commit(
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
