import { type RoomId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { Ephemeral } from '../ephemeral/index.ts'
import { limits } from '../limits.ts'
import type { Rooms } from '../rooms/index.ts'
import type { StreamRow, Timeline, TimelineRow } from '../timeline/index.ts'

interface Waiter {
  readonly userId: UserId
  readonly wake: () => void
  readonly onQuiet: (upTo: number) => void
}

/** What happened in a stretch of the stream; undefined rows: too much to look through. */
interface Stretch {
  readonly rows: readonly StreamRow[] | undefined
  readonly typingRooms: readonly RoomId[]
  /** Those who share a room with somebody whose presence or keys changed, and these themselves. */
  readonly sharing: ReadonlySet<UserId>
}

/**
 * Wakes those who wait for the stream when something concerns them, and lets the others sleep: a stretch is read once for all of them.
 * Whoever is woken may still find nothing to tell.
 */
export class StreamWatch {
  readonly #parts: { readonly timeline: Timeline; readonly rooms: Rooms; readonly ephemeral: Ephemeral }
  readonly #waiters = new Set<Waiter>()
  #running = false

  constructor(parts: { readonly timeline: Timeline; readonly rooms: Rooms; readonly ephemeral: Ephemeral }) {
    this.#parts = parts
  }

  /**
   * Resolves as soon as something after `position` concerns the user; rejects with the signal's reason.
   * @param onQuiet hears up to where nothing did.
   */
  async concerning(userId: UserId, position: number, signal: AbortSignal, onQuiet: (upTo: number) => void = () => {}): Promise<void> {
    const { timeline } = this.#parts
    let from = position
    while (timeline.position > from) {
      const upTo = timeline.position
      if (this.#concerns(userId, await this.#read(from, upTo, userId))) return
      from = upTo
      onQuiet(upTo)
    }
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter = { userId, wake: resolve, onQuiet }
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiters.add(waiter)
    if (!this.#running) void this.#run(from)
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#waiters.delete(waiter)
    }
  }

  async #run(position: number): Promise<void> {
    const { timeline } = this.#parts
    const never = new AbortController().signal
    this.#running = true
    let from = position
    while (this.#waiters.size > 0) {
      await timeline.changed(from, never)
      // Those who come while the stretch is read have looked at it themselves; looking twice does no harm.
      const upTo = timeline.position
      try {
        const [someone] = this.#waiters
        if (someone === undefined) break
        const stretch = await this.#read(from, upTo, someone.userId)
        for (const waiter of this.#waiters) {
          if (this.#concerns(waiter.userId, stretch)) waiter.wake()
          else waiter.onQuiet(upTo)
        }
      } catch {
        // Those who wait meet the broken storage themselves.
        for (const waiter of this.#waiters) waiter.wake()
      }
      from = upTo
    }
    this.#running = false
  }

  /** @param someone any local user. */
  async #read(from: number, upTo: number, someone: UserId): Promise<Stretch> {
    const { timeline, ephemeral } = this.#parts
    const typingRooms = ephemeral.typing.roomsChangedAfter(from)
    const present = ephemeral.presence.changedAfter(from)
    const { rows, isWhole } = await timeline.between(from, upTo, limits.implementation.syncRowsScannedMax)
    if (!isWhole) return { rows: undefined, typingRooms, sharing: new Set() }
    const keysChanged = rows.flatMap(({ row }) => (row.kind === 'device-list' ? [row.userId] : []))
    return { rows, typingRooms, sharing: this.#sharing(serverNameOf(someone), present, keysChanged) }
  }

  #concerns(userId: UserId, { rows, typingRooms, sharing }: Stretch): boolean {
    const { rooms } = this.#parts
    if (rows === undefined || sharing.has(userId) || typingRooms.some((roomId) => rooms.state(roomId)?.membershipOf(userId) === 'join'))
      return true
    return rows.some(({ position, row }) => this.#rowConcerns(userId, position, row))
  }

  /** Looks through the rooms once for all who wait. Nobody waits for the news that they are there themselves. */
  #sharing(server: ServerName, present: readonly UserId[], keysChanged: readonly UserId[]): Set<UserId> {
    const { rooms } = this.#parts
    const sharing = new Set(keysChanged)
    if (present.length + keysChanged.length === 0) return sharing
    const changed = new Set([...present, ...keysChanged])
    for (const roomId of rooms.roomIds()) {
      const state = rooms.state(roomId)
      const local = state?.joinedUsersOf(server)
      if (state === undefined || local === undefined || local.size === 0) continue
      for (const userId of changed) {
        if (state.membershipOf(userId) !== 'join') continue
        for (const other of local) if (other !== userId) sharing.add(other)
      }
    }
    return sharing
  }

  #rowConcerns(userId: UserId, position: number, row: TimelineRow): boolean {
    switch (row.kind) {
      case 'room-event':
      case 'room-state': {
        const member = this.#parts.rooms.state(row.roomId)?.get('m.room.member', userId)
        const membership = member?.pdu.content['membership']
        if (row.kind === 'room-state' || membership === 'join') return member !== undefined || row.kind === 'room-state'
        // Of a room where the user is not inside only their own membership is theirs to hear.
        return member !== undefined && (member.position ?? position) >= position
      }
      case 'receipt':
        return row.userId === userId || (row.isPrivate !== true && this.#parts.rooms.state(row.roomId)?.membershipOf(userId) === 'join')
      case 'invite':
      case 'account-data':
      case 'to-device':
        return row.userId === userId
      default:
        return false
    }
  }
}
