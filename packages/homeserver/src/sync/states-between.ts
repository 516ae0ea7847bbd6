import type { RoomId } from '@kith/matrix-protocol'
import type { Rooms } from '../rooms/index.ts'
import { RoomStateChanges } from './room-state-changes.ts'

/** The states of rooms at the two ends of one sync, each looked up once. */
export class StatesBetween {
  readonly #rooms: Rooms
  readonly #after: number | undefined
  readonly #upTo: number
  readonly #changes = new Map<RoomId, Promise<RoomStateChanges>>()

  /** @param after undefined: nothing is known before. */
  constructor(rooms: Rooms, after: number | undefined, upTo: number) {
    this.#rooms = rooms
    this.#after = after
    this.#upTo = upTo
  }

  async of(roomId: RoomId): Promise<RoomStateChanges> {
    return this.#changes.getOrInsertComputed(roomId, async () => this.#read(roomId))
  }

  async #read(roomId: RoomId): Promise<RoomStateChanges> {
    const [before, after] = await Promise.all([
      this.#after === undefined ? undefined : this.#rooms.stateAt(roomId, this.#after),
      this.#rooms.stateAt(roomId, this.#upTo),
    ])
    return new RoomStateChanges(this.#rooms, roomId, before, after)
  }
}
