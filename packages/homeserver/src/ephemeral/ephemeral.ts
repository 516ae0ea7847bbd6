import {
  type JsonObject,
  ownMember,
  parseRoomId,
  parseUserId,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Storage } from '../ports/storage.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { Presence } from './presence.ts'
import { Receipts } from './receipts.ts'
import { Typing } from './typing.ts'

interface EphemeralParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly clock: Clock
  readonly rooms: Rooms
}

/** Receipts, typing and presence, of local users and of others. */
export class Ephemeral implements Disposable {
  readonly receipts: Receipts
  readonly typing: Typing
  readonly presence: Presence
  readonly #rooms: Rooms

  private constructor(parts: EphemeralParts, typing: Typing) {
    this.receipts = new Receipts(parts.storage, parts.timeline, async (roomId, eventIds) => {
      const events = await parts.rooms.events(eventIds)
      return events.map((event) => (event?.roomId === roomId ? event.position : undefined))
    })
    this.typing = typing
    this.presence = new Presence(parts.clock, parts.timeline)
    this.#rooms = parts.rooms
  }

  static async open(parts: EphemeralParts): Promise<Ephemeral> {
    return new Ephemeral(parts, await Typing.open(parts.storage, parts.clock, parts.timeline))
  }

  /** `m.typing` of another server. */
  async receiveTyping(origin: ServerName, content: JsonObject): Promise<void> {
    const roomId = parseRoomId(ownMember(content, 'room_id'))
    const userId = parseUserId(ownMember(content, 'user_id'))
    if (roomId === undefined || userId === undefined || serverNameOf(userId) !== origin) return
    if (!this.#isMember(roomId, userId)) return
    await this.typing.set(roomId, userId, ownMember(content, 'typing') === true, limits.implementation.typingTimeoutOfOthersMs)
  }

  /** `m.receipt` of another server. */
  async receiveReceipts(origin: ServerName, content: JsonObject): Promise<void> {
    await this.receipts.receive(origin, content, (roomId, userId) => this.#isMember(roomId, userId))
  }

  /** `m.presence` of another server. */
  async receivePresence(origin: ServerName, content: JsonObject): Promise<void> {
    // Looked through once for all whom the server names.
    const shared = this.#rooms.roomsWithServer(origin)
    this.presence.receive(origin, content, (userId) => shared.some((roomId) => this.#isMember(roomId, userId)))
  }

  [Symbol.dispose](): void {
    this.typing[Symbol.dispose]()
    this.presence[Symbol.dispose]()
  }

  #isMember(roomId: RoomId, userId: UserId): boolean {
    return this.#rooms.state(roomId)?.membershipOf(userId) === 'join'
  }
}
