import type { EventId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { RoomRow } from './tables.ts'

/** The soft-failed events of a room of which it is open whether they are new, as a draft leaves them. */
export class DraftDoubts {
  readonly #hasGaps: () => boolean
  #eventIds: readonly EventId[]
  hasChanged = false

  constructor({ doubtful }: RoomRow, hasGaps: () => boolean) {
    this.#eventIds = doubtful ?? []
    this.#hasGaps = hasGaps
  }

  get eventIds(): readonly EventId[] {
    return this.#eventIds
  }

  /** Remembers a soft-failed event while a gap is open: it lies behind the gap, perhaps, and is not new then. */
  begin(eventId: EventId): void {
    if (this.#hasGaps()) this.#set([...this.#eventIds, eventId].slice(-limits.implementation.doubtsPerRoomMax))
  }

  end(eventIds: ReadonlySet<EventId>): void {
    this.#set(this.#eventIds.filter((eventId) => !eventIds.has(eventId)))
  }

  /** The row with them. */
  in(before: RoomRow): RoomRow {
    const { doubtful: _, ...row } = before
    return this.#eventIds.length === 0 ? row : { ...row, doubtful: this.#eventIds }
  }

  #set(eventIds: readonly EventId[]): void {
    this.#eventIds = eventIds
    this.hasChanged = true
  }
}
