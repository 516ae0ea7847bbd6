import type { JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { Accounts } from './accounts/accounts.ts'
import type { Devices } from './accounts/devices.ts'
import { eraseUserData } from './accounts/erase-user-data.ts'
import { conversationTables } from './conversation/tables.ts'
import type { Keys } from './keys/keys.ts'
import { removeAllDevices } from './keys/remove-devices.ts'
import { keysTables } from './keys/tables.ts'
import type { ToDevice } from './keys/to-device.ts'
import { limits } from './limits.ts'
import type { Clock, Log, Storage } from './ports/index.ts'
import { notificationTables } from './push/notification-tables.ts'
import type { Rooms } from './rooms/index.ts'

interface DeactivationsParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly accounts: Accounts
  readonly devices: Devices
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly rooms: Rooms
  readonly federation: {
    /** Declines an invite to, or takes back a knock at, a room that is not held here. */
    leaveRoom(
      input: { readonly roomId: RoomId; readonly userId: UserId; readonly content: JsonObject },
      signal: AbortSignal,
    ): Promise<unknown>
  }
}

/**
 * Ends accounts: the account first, durably; then its devices, its places in rooms, and its data where that was asked for.
 * Each step may be repeated, so whatever a crash or a full disk left undone is done at the next attempt or start.
 */
export class Deactivations implements AsyncDisposable {
  readonly #parts: DeactivationsParts
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(parts: DeactivationsParts) {
    this.#parts = parts
  }

  /** Goes on with what an earlier run began. */
  start(): void {
    for (const { userId, erased } of this.#parts.accounts.deactivated()) this.#clear(userId, erased)
  }

  /** Returns when nobody can be this user any more; the rooms are left in the background. */
  async deactivate(userId: UserId, erase: boolean): Promise<void> {
    await this.#parts.accounts.deactivate(userId, erase)
    this.#clear(userId, erase)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#running)
  }

  #clear(userId: UserId, erase: boolean): void {
    const run = this.#clearWithRetries(userId, erase).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #clearWithRetries(userId: UserId, erase: boolean): Promise<void> {
    const { clock, log } = this.#parts
    for (;;) {
      try {
        await this.#clearOnce(userId, erase)
        return
      } catch (error) {
        if (this.#stop.signal.aborted) return
        log.warn('an ended account could not be cleared yet', { error: error instanceof Error ? error.name : typeof error })
      }
      await clock.sleep(limits.implementation.deactivationRetryMs, this.#stop.signal).catch(() => undefined)
      if (this.#stop.signal.aborted) return
    }
  }

  async #clearOnce(userId: UserId, erase: boolean): Promise<void> {
    const { storage, rooms, federation } = this.#parts
    const { signal } = this.#stop
    await removeAllDevices(this.#parts, userId)
    const content = { membership: 'leave' }
    const held = rooms.roomIds().filter((roomId) => isThere(rooms.state(roomId)?.membershipOf(userId)))
    for (const roomId of held) {
      // A refusal by the rules of the room is final.
      await rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal)
    }
    for (const invite of rooms.invites(userId)) await federation.leaveRoom({ roomId: invite.roomId, userId, content }, signal)
    const { notifications, unread } = notificationTables
    const { backupVersions, backupSessions } = keysTables
    const others = [notifications, unread, conversationTables.forgottenRooms, backupVersions, backupSessions]
    if (erase) await eraseUserData(storage, userId, others)
  }
}

function isThere(membership: string | undefined): boolean {
  return membership === 'join' || membership === 'invite' || membership === 'knock'
}
