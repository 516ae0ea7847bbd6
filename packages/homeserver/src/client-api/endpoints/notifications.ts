import type { JsonObject } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { PlacedNotification } from '../../push/notifications.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { integerFrom } from '../parameters.ts'
import type { Session } from '../../accounts/accounts.ts'

export const notificationEndpoints = [
  endpoint({
    method: 'GET',
    path: '/notifications',
    async handle(api, { session, query }) {
      const limit = Math.max(1, integerFrom(query, 'limit', 20, limits.implementation.notificationsPageMax))
      await api.notifications.reach(api.timeline.position)
      const found = await readPage(api, session, { before: beforeFrom(query), limit, highlighted: query.get('only') === 'highlight' })
      const events = await api.rooms.events(found.page.map(({ eventId }) => eventId))
      const shown = events.filter((event) => event !== undefined)
      const formatted = await api.sync.events.withoutRoomId(shown, session)
      const byId = new Map(formatted.map((event) => [event.event_id, event]))
      return {
        notifications: found.page.flatMap((notification) => {
          const event = byId.get(notification.eventId)
          return event === undefined ? [] : [{ ...describe(notification), event }]
        }),
        ...(found.next === undefined ? {} : { next_token: String(found.next) }),
      }
    },
  }),
]

function describe({ actions, read, roomId, timestamp }: PlacedNotification): JsonObject {
  return { actions: [...actions], read, room_id: roomId, ts: timestamp }
}

function beforeFrom(query: URLSearchParams): number | undefined {
  const text = query.get('from')
  if (text === null || text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) throw new MatrixError(400, 'M_INVALID_PARAM', 'from is no token of this endpoint')
  return Number(text)
}

/** All that is kept for one user is bounded, so it is looked through until the page is full. */
async function readPage(
  api: Api,
  { userId }: Session,
  input: { readonly before: number | undefined; readonly limit: number; readonly highlighted: boolean },
): Promise<{ readonly page: readonly PlacedNotification[]; readonly next: number | undefined }> {
  const ignored = await api.conversation.ignoredUsers.of(userId)
  const isWanted = ({ sender, highlight }: PlacedNotification): boolean => !ignored.has(sender) && (highlight || !input.highlighted)
  const page: PlacedNotification[] = []
  let { before } = input
  for (;;) {
    const read = await api.notifications.page(userId, before, limits.implementation.notificationsPageMax)
    for (const notification of read.filter(isWanted)) {
      if (page.length === input.limit) return { page, next: page.at(-1)?.position }
      page.push(notification)
    }
    if (read.length < limits.implementation.notificationsPageMax) return { page, next: undefined }
    before = read.at(-1)?.position
  }
}
