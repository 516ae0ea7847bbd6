import { isJsonObject, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { AccountData } from './account-data.ts'

const listType = 'm.ignored_user_list'
const nobody: ReadonlySet<string> = new Set()

/** Whom a user wants to hear nothing of. @see https://spec.matrix.org/latest/client-server-api/#ignoring-users */
export class IgnoredUsers {
  readonly #accountData: Pick<AccountData, 'get' | 'onChange'>
  /** Kept until the list changes; the least recently used first. What is still being read may be of before a change, and goes with it. */
  readonly #kept = new Map<UserId, Promise<ReadonlySet<string>>>()

  constructor(accountData: Pick<AccountData, 'get' | 'onChange'>) {
    this.#accountData = accountData
    accountData.onChange((userId, roomId, type) => {
      if (roomId === '' && type === listType) this.#kept.delete(userId)
    })
  }

  async of(userId: UserId): Promise<ReadonlySet<string>> {
    const ignored = this.#kept.get(userId) ?? this.#read(userId)
    this.#kept.delete(userId)
    this.#kept.set(userId, ignored)
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > limits.implementation.ignoredUsersKeptMax) this.#kept.delete(oldest)
    try {
      return await ignored
    } catch (error) {
      if (this.#kept.get(userId) === ignored) this.#kept.delete(userId)
      throw error
    }
  }

  async #read(userId: UserId): Promise<ReadonlySet<string>> {
    const ignored = (await this.#accountData.get(userId, '', listType))?.['ignored_users']
    if (!isJsonObject(ignored)) return nobody
    // Nobody ignores themselves: their own messages would be gone.
    return new Set(Object.keys(ignored).slice(0, limits.implementation.ignoredUsersMax)).difference(new Set([userId]))
  }
}

/** State events are shown whoever sent them: without them the room would be another one. */
export function withoutIgnored<E extends { readonly pdu: { readonly sender: string; readonly state_key?: string } }>(
  events: readonly E[],
  ignored: ReadonlySet<string>,
): readonly E[] {
  if (ignored.size === 0) return events
  return events.filter(({ pdu }) => pdu.state_key !== undefined || !ignored.has(pdu.sender))
}
