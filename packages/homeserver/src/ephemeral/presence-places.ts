import { type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'

/**
 * Which users of other servers have a place in the table of presence: so many of each server, and so many of all. When all are taken,
 * whoever has most gives one up: a server that invents users pushes out its own.
 */
export class PresencePlaces {
  readonly #perServerMax: number
  readonly #max: number
  /** Those who came first stand first. */
  readonly #servers = new Map<ServerName, Set<UserId>>()
  #size = 0

  constructor(perServerMax: number, max: number) {
    this.#perServerMax = perServerMax
    this.#max = max
  }

  /** The user whose place it takes, when it takes one; `undefined` where there was room, or the place was there. */
  take(userId: UserId): UserId | undefined {
    const server = serverNameOf(userId)
    const own = this.#servers.getOrInsertComputed(server, () => new Set())
    if (own.has(userId)) return undefined
    const isFull = this.#size >= this.#max
    const [displaced] = own.size >= this.#perServerMax ? own : isFull ? this.#largest() : []
    if (displaced !== undefined) this.#free(displaced)
    // Its last user may have been the one that went.
    this.#servers.getOrInsertComputed(server, () => own).add(userId)
    this.#size++
    return displaced
  }

  #largest(): ReadonlySet<UserId> {
    let largest: ReadonlySet<UserId> = new Set()
    for (const users of this.#servers.values()) if (users.size > largest.size) largest = users
    return largest
  }

  #free(userId: UserId): void {
    const server = serverNameOf(userId)
    const users = this.#servers.get(server)
    if (users?.delete(userId) === true) this.#size--
    if (users?.size === 0) this.#servers.delete(server)
  }
}
