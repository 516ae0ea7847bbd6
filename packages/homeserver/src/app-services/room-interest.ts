import { type RoomId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { Directory } from '../directory/index.ts'
import type { Rooms, RoomState, StoredEvent } from '../rooms/index.ts'
import type { AppService } from './app-service.ts'

export interface RoomInterestParts {
  readonly rooms: Rooms
  readonly directory: Directory
  readonly accounts: Accounts
  readonly serverName: ServerName
}

type Room = { readonly kind: 'all' } | { readonly kind: 'while-inside'; readonly users: readonly UserId[] }

/**
 * Which events of a stretch of the stream concern a service: those of its rooms and aliases, of rooms while one of its users is inside, and
 * whatever its users do or suffer. Who was inside is read from the state before the event, so that it does not depend on when this is asked.
 */
export class RoomInterest {
  readonly #parts: RoomInterestParts
  readonly #service: AppService
  readonly #after: number
  readonly #rooms = new Map<RoomId, Room>()
  #users: readonly UserId[] | undefined

  /** @param after the stretch begins behind it. */
  constructor(parts: RoomInterestParts, service: AppService, after: number) {
    this.#parts = parts
    this.#service = service
    this.#after = after
  }

  async concerns(event: StoredEvent): Promise<boolean> {
    const { type, sender, state_key: stateKey } = event.pdu
    if (this.#service.hasUser(sender)) return true
    if (type === 'm.room.member' && stateKey !== undefined && this.#service.hasUser(stateKey)) return true
    const room = await this.#room(event.roomId)
    if (room.kind === 'all') return true
    for (const userId of room.users) if (await this.#wasInside(event, userId)) return true
    return false
  }

  /** Whether the service may know now what passes in the room. */
  async concernsRoomNow(roomId: RoomId): Promise<boolean> {
    return (await this.#isNamed(roomId)) || this.#joined(roomId).some((userId) => this.#service.hasUser(userId))
  }

  async #room(roomId: RoomId): Promise<Room> {
    const known = this.#rooms.get(roomId)
    if (known !== undefined) return known
    const room = await this.#look(roomId)
    this.#rooms.set(roomId, room)
    return room
  }

  async #look(roomId: RoomId): Promise<Room> {
    if (await this.#isNamed(roomId)) return { kind: 'all' }
    const state = this.#parts.rooms.state(roomId)
    if (state === undefined) return { kind: 'while-inside', users: [] }
    const cameBefore = (userId: UserId): boolean => {
      const position = state.get('m.room.member', userId)?.position
      return position !== undefined && position <= this.#after
    }
    if (this.#joined(roomId).some((userId) => this.#service.hasUser(userId) && cameBefore(userId))) return { kind: 'all' }
    const users = this.#ownUsersIn(state).filter((userId) => !cameBefore(userId))
    return { kind: 'while-inside', users }
  }

  /** Whatever their membership. A bridge may have thousands of users, and most rooms have few members: it is looked through what is shorter. */
  #ownUsersIn(state: RoomState): readonly UserId[] {
    const { accounts, serverName } = this.#parts
    if (accounts.total <= state.size) return this.#ownUsers().filter((userId) => state.membershipOf(userId) !== undefined)
    return [...state.members()].flatMap(({ userId }) =>
      serverNameOf(userId) === serverName && this.#service.hasUser(userId) ? [userId] : [],
    )
  }

  async #isNamed(roomId: RoomId): Promise<boolean> {
    if (this.#service.hasRoom(roomId)) return true
    if (this.#service.registration.namespaces.aliases.length === 0) return false
    const aliases = await this.#parts.directory.aliases.ofRoom(roomId)
    return aliases.some((alias) => this.#service.hasAlias(alias))
  }

  #joined(roomId: RoomId): UserId[] {
    const { rooms, serverName } = this.#parts
    return [...(rooms.state(roomId)?.joinedUsersOf(serverName) ?? [])]
  }

  /** Also those whose accounts have ended since. */
  #ownUsers(): readonly UserId[] {
    const { accounts } = this.#parts
    const everybody = (): UserId[] => [...accounts.userIds(), ...accounts.deactivated().map(({ userId }) => userId)]
    return (this.#users ??= everybody().filter((userId) => this.#service.hasUser(userId)))
  }

  async #wasInside(event: StoredEvent, userId: UserId): Promise<boolean> {
    const { rooms } = this.#parts
    if (event.stateBefore === undefined) return rooms.state(event.roomId)?.membershipOf(userId) === 'join'
    const memberId = await rooms.stateIdBefore(event, 'm.room.member', userId)
    const member = memberId === undefined ? undefined : await rooms.event(memberId)
    return member?.pdu.content['membership'] === 'join'
  }
}
