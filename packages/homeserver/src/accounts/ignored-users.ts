import { isJsonObject, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { AccountData } from './account-data.ts'

const nobody: ReadonlySet<string> = new Set()

/** Whom a user wants to hear nothing of. @see https://spec.matrix.org/latest/client-server-api/#ignoring-users */
export class IgnoredUsers {
  readonly #accountData: Pick<AccountData, 'get'>

  constructor(accountData: Pick<AccountData, 'get'>) {
    this.#accountData = accountData
  }

  async of(userId: UserId): Promise<ReadonlySet<string>> {
    const ignored = (await this.#accountData.get(userId, '', 'm.ignored_user_list'))?.['ignored_users']
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
