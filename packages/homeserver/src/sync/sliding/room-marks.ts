import { isJsonObject, type JsonObject, type RoomId, type UserId } from '@kith/matrix-protocol'
import type { AccountData } from '../../accounts/account-data.ts'
import { limits } from '../../limits.ts'

/** How a user sorts rooms: as direct chats, and by tags. */
export interface RoomMarks {
  readonly direct: ReadonlySet<string>
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>
}

interface Kept extends RoomMarks {
  readonly position: number
}

/** Keeps the marks of those who sync, so that filtering a list of rooms reads nothing from storage. */
export class RoomMarksCache {
  readonly #accountData: AccountData
  /** The least recently used first. */
  readonly #kept = new Map<UserId, Kept>()

  constructor(accountData: AccountData) {
    this.#accountData = accountData
  }

  async marks(userId: UserId, upTo: number): Promise<RoomMarks> {
    const kept = this.#kept.get(userId)
    this.#kept.delete(userId)
    const marks = kept === undefined ? await this.#read(userId, upTo) : await this.#follow(userId, kept, upTo)
    this.#kept.set(userId, marks)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > limits.implementation.slidingUsersKeptMax && oldest !== undefined) this.#kept.delete(oldest)
    return marks
  }

  async #read(userId: UserId, upTo: number): Promise<Kept> {
    const tags = new Map<string, Set<string>>()
    for (const { roomId, type, content } of await this.#accountData.everywhere(userId))
      if (type === 'm.tag' && roomId !== '') tags.set(roomId, tagsOf(content))
    return { position: upTo, direct: directRooms(await this.#accountData.get(userId, '', 'm.direct')), tags }
  }

  async #follow(userId: UserId, kept: Kept, upTo: number): Promise<Kept> {
    if (upTo <= kept.position) return kept
    const changed = await this.#accountData.changedBetween(userId, kept.position, upTo)
    const direct = changed.find(({ roomId, type }) => roomId === '' && type === 'm.direct')
    const tagged = changed.filter(({ roomId, type }) => roomId !== '' && type === 'm.tag')
    return {
      position: upTo,
      direct: direct === undefined ? kept.direct : directRooms(direct.content),
      tags:
        tagged.length === 0
          ? kept.tags
          : new Map([...kept.tags, ...tagged.map(({ roomId, content }) => [roomId, tagsOf(content)] as const)]),
    }
  }
}

/** `m.direct` names, for each user, the rooms that are a conversation with them. */
function directRooms(content: JsonObject | undefined): Set<string> {
  const lists = Object.values(content ?? {}).filter((rooms) => Array.isArray(rooms))
  return new Set(lists.flat().filter((roomId): roomId is RoomId => typeof roomId === 'string'))
}

function tagsOf(content: JsonObject): Set<string> {
  const { tags } = content
  return new Set(isJsonObject(tags) ? Object.keys(tags) : [])
}
