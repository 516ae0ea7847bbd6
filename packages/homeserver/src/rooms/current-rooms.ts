import { type RoomId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { Room } from './room.ts'
import type { RoomState } from './room-state.ts'

/** The rooms in memory, and in which of them each user of this server is joined: nobody has to look through all rooms for that. */
export class CurrentRooms {
  readonly #serverName: ServerName
  readonly #rooms = new Map<RoomId, Room>()
  readonly #joined = new Map<UserId, Set<RoomId>>()

  constructor(serverName: ServerName, rooms: Iterable<Room> = []) {
    this.#serverName = serverName
    for (const room of rooms) this.show(room)
  }

  get(roomId: RoomId): Room | undefined {
    return this.#rooms.get(roomId)
  }

  has(roomId: RoomId): boolean {
    return this.#rooms.has(roomId)
  }

  keys(): Iterable<RoomId> {
    return this.#rooms.keys()
  }

  values(): IteratorObject<Room> {
    return this.#rooms.values()
  }

  /** A new room, or one in the place of another of that id. */
  show(room: Room): void {
    const { roomId, state } = room
    const old = this.#rooms.get(roomId)?.state
    old?.stopTelling()
    for (const userId of old?.joinedUsersOf(this.#serverName) ?? []) this.#left(userId, roomId)
    this.#rooms.set(roomId, room)
    state.tellJoined(this.#serverName, (userId, isJoined) => {
      if (isJoined) this.#joined.getOrInsertComputed(userId, () => new Set()).add(roomId)
      else this.#left(userId, roomId)
    })
  }

  /** Of a user of another server it takes a look at every room. */
  joinedBy(userId: UserId): RoomId[] {
    if (serverNameOf(userId) === this.#serverName) return [...(this.#joined.get(userId) ?? [])]
    return [...this.#rooms.values()].filter(({ state }) => state.membershipOf(userId) === 'join').map(({ roomId }) => roomId)
  }

  /** The states of the rooms that the user is in. */
  *statesWith(userId: UserId): Generator<RoomState> {
    for (const roomId of this.joinedBy(userId)) {
      const state = this.#rooms.get(roomId)?.state
      if (state !== undefined) yield state
    }
  }

  isJoinedAnywhere(userId: UserId): boolean {
    if (serverNameOf(userId) === this.#serverName) return this.#joined.has(userId)
    return this.#rooms.values().some(({ state }) => state.membershipOf(userId) === 'join')
  }

  #left(userId: UserId, roomId: RoomId): void {
    const rooms = this.#joined.get(userId)
    rooms?.delete(roomId)
    if (rooms?.size === 0) this.#joined.delete(userId)
  }
}
