import { withoutIgnored } from '../accounts/ignored-users.ts'
import type { Session } from '../accounts/accounts.ts'
import type { StoredEvent } from '../rooms/index.ts'
import type { Api } from './endpoint.ts'

export interface EventContext {
  /** The latest first. */
  readonly before: readonly StoredEvent[]
  /** The earliest first. */
  readonly after: readonly StoredEvent[]
  /** History tokens. */
  readonly start: string
  readonly end: string
}

/** What the user may see around an event. */
export async function readContext(
  api: Api,
  session: Session,
  event: StoredEvent,
  counts: { readonly before: number; readonly after: number },
): Promise<EventContext> {
  const ignored = await api.conversation.ignoredUsers.of(session.userId)
  const around = api.rooms.tokensAround(event)
  const side = async (direction: 'b' | 'f', from: string, count: number): Promise<{ events: readonly StoredEvent[]; end: string }> => {
    if (count === 0) return { events: [], end: from }
    const page = await api.rooms.page(event.roomId, { from, direction, limit: count })
    const visible = await api.sync.visibility.filter(withoutIgnored(page.events, ignored), session.userId)
    const last = page.events.at(-1)
    const reached = last === undefined ? from : api.rooms.tokensAround(last)[direction === 'b' ? 'before' : 'after']
    return { events: visible, end: page.end ?? reached }
  }
  const before = await side('b', around.before, counts.before)
  const after = await side('f', around.after, counts.after)
  return { before: before.events, after: after.events, start: before.end, end: after.end }
}
