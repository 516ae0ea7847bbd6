import { makeUserId, type RoomAlias, type RoomId, type ServerName, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { AppServiceRegistration, Namespace } from './registration.ts'

/** A registered application service, and what is its own. */
export class AppService {
  readonly registration: AppServiceRegistration
  /** Who acts when the service names nobody. */
  readonly senderId: UserId
  readonly #users = new Map<string, boolean>()

  constructor(registration: AppServiceRegistration, serverName: ServerName) {
    this.registration = registration
    this.senderId = makeUserId(registration.senderLocalpart, serverName)
  }

  get id(): string {
    return this.registration.id
  }

  /** Asked for every sender and member of what is sent here, so answers are remembered. */
  hasUser(userId: string): boolean {
    if (userId === this.senderId) return true
    const known = this.#users.get(userId)
    if (known !== undefined) return known
    if (this.#users.size >= limits.implementation.appServiceUsersRememberedMax) this.#users.clear()
    const matches = isIn(this.registration.namespaces.users, userId)
    this.#users.set(userId, matches)
    return matches
  }

  hasAlias(alias: RoomAlias): boolean {
    return isIn(this.registration.namespaces.aliases, alias)
  }

  hasRoom(roomId: RoomId): boolean {
    return isIn(this.registration.namespaces.rooms, roomId)
  }

  claimsUser(userId: UserId): boolean {
    return userId === this.senderId || isClaimed(this.registration.namespaces.users, userId)
  }

  claimsAlias(alias: RoomAlias): boolean {
    return isClaimed(this.registration.namespaces.aliases, alias)
  }
}

function isIn(namespaces: readonly Namespace[], id: string): boolean {
  return namespaces.some(({ matches }) => matches(id))
}

function isClaimed(namespaces: readonly Namespace[], id: string): boolean {
  return namespaces.some(({ exclusive, matches }) => exclusive && matches(id))
}
