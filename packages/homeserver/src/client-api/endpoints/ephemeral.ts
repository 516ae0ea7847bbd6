import { type EventId, type JsonObject, type RoomId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import type { ReceiptType } from '../../ephemeral/tables.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { eventIdFrom, ownUserId, roomIdFrom, userIdFrom } from '../parameters.ts'
import { joinedState } from '../room-access.ts'
import { eventIdSchema } from '../schemas.ts'

const defaultTypingTimeoutMs = 30_000

export const ephemeralEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/rooms/:roomId/typing/:userId',
    body: v.looseObject({ typing: v.boolean(), timeout: v.optional(v.pipe(v.number(), v.minValue(0)), defaultTypingTimeoutMs) }),
    async handle(api, { params, session, body }) {
      const userId = ownUserId(params.userId, session)
      const roomId = roomIdFrom(params.roomId)
      joinedState(api, session, roomId)
      await api.ephemeral.typing.set(roomId, userId, body.typing, body.timeout)
      tellOthers(api, roomId, { type: 'm.typing', content: { room_id: roomId, user_id: userId, typing: body.typing } })
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/receipt/:type/:eventId',
    body: v.looseObject({ thread_id: v.nullish(v.pipe(v.string(), v.minLength(1), v.maxLength(255))) }),
    async handle(api, { params, session, body }) {
      const roomId = roomIdFrom(params.roomId)
      const eventId = eventIdFrom(params.eventId)
      joinedState(api, session, roomId)
      const type = receiptTypeFrom(params.type)
      if (type === 'm.fully_read') await api.accountData.set(session.userId, roomId, type, { event_id: eventId })
      else await putReceipt(api, session, roomId, { type, eventId, threadId: body.thread_id ?? '' })
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/read_markers',
    body: v.looseObject({
      'm.fully_read': v.optional(eventIdSchema),
      'm.read': v.optional(eventIdSchema),
      'm.read.private': v.optional(eventIdSchema),
    }),
    async handle(api, { params, session, body }) {
      const roomId = roomIdFrom(params.roomId)
      joinedState(api, session, roomId)
      const fullyRead = body['m.fully_read']
      if (fullyRead !== undefined) await api.accountData.set(session.userId, roomId, 'm.fully_read', { event_id: fullyRead })
      for (const type of ['m.read', 'm.read.private'] as const) {
        const eventId = body[type]
        if (eventId !== undefined) await putReceipt(api, session, roomId, { type, eventId, threadId: '' })
      }
      return {}
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/presence/:userId/status',
    body: v.looseObject({
      presence: v.picklist(['online', 'offline', 'unavailable']),
      status_msg: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(1000)))),
    }),
    async handle(api, { params, session, body }) {
      api.ephemeral.presence.set(ownUserId(params.userId, session), body.presence, body.status_msg ?? undefined)
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/presence/:userId/status',
    async handle(api, { params }) {
      const presence = api.ephemeral.presence.get(userIdFrom(params.userId))
      if (presence === undefined) return { presence: 'offline' }
      return {
        presence: presence.state,
        last_active_ago: Math.max(0, api.ports.clock.now() - presence.lastActiveAt),
        currently_active: presence.state === 'online',
        ...(presence.statusMessage === undefined ? {} : { status_msg: presence.statusMessage }),
      }
    },
  }),
]

function receiptTypeFrom(text: string): ReceiptType | 'm.fully_read' {
  if (text === 'm.read' || text === 'm.read.private' || text === 'm.fully_read') return text
  throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a type of receipts')
}

async function putReceipt(
  api: Api,
  session: Session,
  roomId: RoomId,
  read: { readonly type: ReceiptType; readonly eventId: EventId; readonly threadId: string },
): Promise<void> {
  const { type, eventId, threadId } = read
  const timestamp = api.ports.clock.now()
  const isNews = await api.ephemeral.receipts.put(roomId, { userId: session.userId, type, threadId, eventId, timestamp })
  if (!isNews || type === 'm.read.private') return
  const data = { ts: timestamp, ...(threadId === '' ? {} : { thread_id: threadId }) }
  tellOthers(api, roomId, { type: 'm.receipt', content: { [roomId]: { 'm.read': { [session.userId]: { data, event_ids: [eventId] } } } } })
}

function tellOthers(api: Api, roomId: RoomId, edu: { readonly type: string; readonly content: JsonObject }): void {
  const servers = [...(api.rooms.state(roomId)?.joinedServers() ?? [])].filter((server) => server !== api.serverName)
  if (servers.length > 0) api.federation.sendEphemeral(servers, edu)
}
