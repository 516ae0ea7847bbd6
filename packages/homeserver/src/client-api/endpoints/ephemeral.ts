import { type EventId, type JsonObject, parseEventId, type RoomId, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { presenceContent } from '../../ephemeral/presence.ts'
import type { ReceiptType } from '../../ephemeral/tables.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { mainTimeline, threadOf } from '../../rooms/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { eventIdFrom, ownUserId, roomIdFrom, userIdFrom } from '../parameters.ts'
import { userSuspended } from '../restrictions.ts'
import { joinedState } from '../room-access.ts'
import { eventIdSchema } from '../schemas.ts'

const { nameCharactersMax, typingTimeoutDefaultMs } = limits.implementation

export const ephemeralEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/rooms/:roomId/typing/:userId',
    body: v.looseObject({ typing: v.boolean(), timeout: v.optional(v.pipe(v.number(), v.minValue(0)), typingTimeoutDefaultMs) }),
    async handle(api, { params, session, body }) {
      const userId = ownUserId(params.userId, session)
      const roomId = roomIdFrom(params.roomId)
      joinedState(api, session, roomId)
      api.ephemeral.presence.active(userId)
      await api.ephemeral.typing.set(roomId, userId, body.typing, body.timeout)
      tellOthers(api, roomId, { type: 'm.typing', content: { room_id: roomId, user_id: userId, typing: body.typing } })
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/receipt/:type/:eventId',
    body: v.looseObject({ thread_id: v.optional(v.unknown()) }),
    async handle(api, { params, session, body }) {
      const roomId = roomIdFrom(params.roomId)
      const eventId = eventIdFrom(params.eventId)
      joinedState(api, session, roomId)
      const type = receiptTypeFrom(params.type)
      const threadId = await threadIdFrom(api, roomId, { type, eventId, given: body.thread_id })
      if (type === 'm.fully_read') await putFullyRead(api, session, roomId, eventId)
      else await putReceipt(api, session, roomId, { type, eventId, threadId })
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
      if (fullyRead !== undefined) await putFullyRead(api, session, roomId, fullyRead)
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
      status_msg: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(limits.implementation.statusMessageCharactersMax)))),
    }),
    async handle(api, { params, session, body }) {
      const userId = ownUserId(params.userId, session)
      const says = (body.status_msg ?? '') !== ''
      // Whether they are there is no speech; what they say of it is.
      if (says && api.accounts.isRestricted(userId, 'suspended')) throw userSuspended()
      api.ephemeral.presence.set(userId, body.presence, body.status_msg ?? undefined)
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/presence/:userId/status',
    async handle(api, { params, session }) {
      const userId = userIdFrom(params.userId)
      if (userId !== session.userId && !sharesRoom(api, session.userId, userId))
        throw new MatrixError(403, 'M_FORBIDDEN', 'You share no room with this user')
      const { presence } = api.ephemeral
      return presenceContent(presence.get(userId) ?? { state: 'offline', currentlyActive: false }, api.ports.clock.now())
    },
  }),
]

function receiptTypeFrom(text: string): ReceiptType | 'm.fully_read' {
  if (text === 'm.read' || text === 'm.read.private' || text === 'm.fully_read') return text
  throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a type of receipts')
}

/** Empty outside of threads. @see https://spec.matrix.org/latest/client-server-api/#threaded-read-receipts */
async function threadIdFrom(
  api: Api,
  roomId: RoomId,
  receipt: { readonly type: ReceiptType | 'm.fully_read'; readonly eventId: EventId; readonly given: unknown },
): Promise<string> {
  const { type, eventId, given } = receipt
  if (given === undefined) return ''
  if (
    typeof given !== 'string' ||
    given === '' ||
    given.length > nameCharactersMax ||
    (given !== mainTimeline && parseEventId(given) === undefined)
  )
    throw new MatrixError(400, 'M_INVALID_PARAM', 'thread_id is no thread')
  if (type === 'm.fully_read') throw new MatrixError(400, 'M_INVALID_PARAM', 'What is fully read is so in all threads')
  const event = await api.rooms.event(eventId)
  // A receipt for a thread that nobody has written in since may be on its root. A client may know the thread of what was taken back since.
  if (event?.roomId === roomId && given !== eventId && ((await threadOf(api.rooms, event)) ?? given) !== given)
    throw new MatrixError(400, 'M_INVALID_PARAM', 'The event is not in that thread')
  return given
}

/** @throws MatrixError M_INVALID_PARAM for what is no event of the room. @see https://spec.matrix.org/latest/client-server-api/#fully-read-markers */
async function putFullyRead(api: Api, session: Session, roomId: RoomId, eventId: EventId): Promise<void> {
  if ((await api.rooms.event(eventId))?.roomId !== roomId) throw new MatrixError(400, 'M_INVALID_PARAM', 'The event is not of this room')
  await api.accountData.set(session.userId, roomId, 'm.fully_read', { event_id: eventId })
}

async function putReceipt(
  api: Api,
  session: Session,
  roomId: RoomId,
  read: { readonly type: ReceiptType; readonly eventId: EventId; readonly threadId: string },
): Promise<void> {
  const { type, eventId, threadId } = read
  const timestamp = api.ports.clock.now()
  api.ephemeral.presence.active(session.userId)
  const isNews = await api.ephemeral.receipts.put(roomId, { userId: session.userId, type, threadId, eventId, timestamp })
  if (!isNews || type === 'm.read.private') return
  const data = { ts: timestamp, ...(threadId === '' ? {} : { thread_id: threadId }) }
  tellOthers(api, roomId, { type: 'm.receipt', content: { [roomId]: { 'm.read': { [session.userId]: { data, event_ids: [eventId] } } } } })
}

function sharesRoom(api: Api, one: UserId, other: UserId): boolean {
  return api.rooms.joinedRooms(one).some((roomId) => api.rooms.state(roomId)?.membershipOf(other) === 'join')
}

function tellOthers(api: Api, roomId: RoomId, edu: { readonly type: string; readonly content: JsonObject }): void {
  const servers = [...(api.rooms.state(roomId)?.joinedServers() ?? [])].filter((server) => server !== api.serverName)
  if (servers.length > 0) api.federation.sendEphemeral(servers, edu)
}
