import { type RoomId, serverNameOf, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Storage } from '../ports/index.ts'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import type { OutOfBandInvite, StoredInvite } from './outcomes.ts'
import { roomsTables } from './tables.ts'

interface Concerned {
  readonly roomId: RoomId
  readonly userId: UserId
}

/** Invites to, and knocks at, rooms whose state this server does not hold: one for each room and local user. Few, so all are in memory. */
export class Invites {
  readonly #timeline: Timeline
  readonly #invites = new Map<UserId, Map<RoomId, StoredInvite>>()

  private constructor(timeline: Timeline, invites: readonly StoredInvite[]) {
    this.#timeline = timeline
    for (const invite of invites) this.#remember(invite)
  }

  static async open(storage: Storage, timeline: Timeline): Promise<Invites> {
    const invites: StoredInvite[] = []
    const pageMax = limits.implementation.invitesPerUserMax
    let page = await storage.range(roomsTables.invites, { limit: pageMax })
    while (page.length > 0) {
      invites.push(...page.map((entry) => entry.value))
      const last = page.at(-1)
      page =
        last === undefined || page.length < pageMax ? [] : await storage.range(roomsTables.invites, { after: last.key, limit: pageMax })
    }
    return new Invites(timeline, invites)
  }

  get(roomId: RoomId, userId: UserId): StoredInvite | undefined {
    return this.#invites.get(userId)?.get(roomId)
  }

  of(userId: UserId): readonly StoredInvite[] {
    return [...(this.#invites.get(userId)?.values() ?? [])]
  }

  /** Returns false when the user has too many invites already. */
  async put(invite: OutOfBandInvite, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    const { roomId, userId } = invite
    if (!this.#hasRoomFor(invite)) return false
    let stored: StoredInvite | undefined
    await this.#timeline.commit(
      (transaction) => {
        stored = { ...invite, position: transaction.append({ kind: 'invite', roomId, userId }) }
        transaction.batch.put(roomsTables.invites, [userId, roomId], stored)
      },
      () => {
        if (stored !== undefined) this.#remember(stored)
      },
    )
    return true
  }

  /** Nobody may fill a user's memory with invites, and no single server leave no room for those of others. */
  #hasRoomFor(invite: OutOfBandInvite): boolean {
    const { invitesPerUserMax, invitesPerUserAndServerMax, inviteCharactersPerUserMax } = limits.implementation
    const others = this.of(invite.userId).filter(({ roomId }) => roomId !== invite.roomId)
    const server = serverNameOf(invite.event.sender)
    const ofServer = others.filter(({ event }) => serverNameOf(event.sender) === server)
    // Knocks bear the name of this server.
    const perServerMax = server === serverNameOf(invite.userId) ? invitesPerUserMax : invitesPerUserAndServerMax
    if (others.length >= invitesPerUserMax || ofServer.length >= perServerMax) return false
    return [...others, invite].reduce((sum, each) => sum + charactersOf(each), 0) <= inviteCharactersPerUserMax
  }

  /** @param extraWrites further writes of the same commit. */
  async drop(roomId: RoomId, userId: UserId, signal: AbortSignal, extraWrites?: (transaction: TimelineTransaction) => void): Promise<void> {
    signal.throwIfAborted()
    if (this.get(roomId, userId) === undefined) return
    await this.#timeline.commit(
      (transaction) => {
        transaction.append({ kind: 'invite', roomId, userId })
        transaction.batch.delete(roomsTables.invites, [userId, roomId])
        extraWrites?.(transaction)
      },
      () => this.#forget(roomId, userId),
    )
  }

  /** Whoever is in a room is no longer invited to it; part of the commit that brings them in. */
  writeDropsFor(transaction: TimelineTransaction, joined: readonly Concerned[]): void {
    for (const { roomId, userId } of joined) {
      if (this.get(roomId, userId) !== undefined) transaction.batch.delete(roomsTables.invites, [userId, roomId])
    }
  }

  applyDropsFor(joined: readonly Concerned[]): void {
    for (const { roomId, userId } of joined) this.#forget(roomId, userId)
  }

  #remember(invite: StoredInvite): void {
    this.#invites.getOrInsertComputed(invite.userId, () => new Map()).set(invite.roomId, invite)
  }

  #forget(roomId: RoomId, userId: UserId): void {
    const invites = this.#invites.get(userId)
    if (invites?.delete(roomId) === true && invites.size === 0) this.#invites.delete(userId)
  }
}

function charactersOf({ event, strippedState }: OutOfBandInvite): number {
  return JSON.stringify([event, strippedState]).length
}
