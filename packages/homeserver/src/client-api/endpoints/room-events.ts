import { canonicalJson, type EventId, type JsonObject, parseEventId, parseUserId, type RoomId, serverNameOf } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { checkCanonicalAlias } from '../canonical-alias.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { refuseLockout } from '../lockout.ts'
import { inviteUser, withoutVoucher } from '../memberships.ts'
import { sentEventId } from '../outcomes.ts'
import { eventIdFrom, integerFrom, roomIdFrom } from '../parameters.ts'
import { checkMayRedact } from '../redaction-rights.ts'
import { joinedState } from '../room-access.ts'
import { canonicalObjectSchema, reasonSchema } from '../schemas.ts'

interface EventToSend {
  readonly roomId: RoomId
  readonly type: string
  readonly content: JsonObject
  readonly redacts?: EventId
  readonly timestamp?: number
}

export const roomEventEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/rooms/:roomId/send/:type/:txnId',
    body: canonicalObjectSchema,
    async handle(api, { params, query, session, body, signal }) {
      const { type, txnId } = params
      const roomId = roomIdFrom(params.roomId)
      const redacts = type === 'm.room.redaction' ? redactedBy(body) : undefined
      const event = { roomId, type, content: body, ...(redacts === undefined ? {} : { redacts }), ...timestampFrom(query, session) }
      return { event_id: await sendOnce(api, session, `send ${roomId} ${type}`, txnId, event, signal) }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/rooms/:roomId/redact/:eventId/:txnId',
    body: v.looseObject({ reason: v.optional(reasonSchema) }),
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const redacts = eventIdFrom(params.eventId)
      const content: JsonObject = body.reason === undefined ? {} : { reason: body.reason }
      const event = { roomId, type: 'm.room.redaction', content, redacts }
      return { event_id: await sendOnce(api, session, `redact ${roomId} ${redacts}`, params.txnId, event, signal) }
    },
  }),
  ...['/rooms/:roomId/state/:type/:stateKey', '/rooms/:roomId/state/:type'].map((path) =>
    endpoint({
      method: 'PUT',
      path: path as '/rooms/:roomId/state/:type/:stateKey',
      body: canonicalObjectSchema,
      async handle(api, { params, query, session, body, signal }) {
        const place = { ...params, stateKey: params.stateKey ?? '', ...timestampFrom(query, session) }
        return { event_id: await sendState(api, session, place, body, signal) }
      },
    }),
  ),
]

/** Application services may say when something happened. @see https://spec.matrix.org/latest/application-service-api/#timestamp-massaging */
function timestampFrom(query: URLSearchParams, session: Session): { readonly timestamp?: number } {
  const text = query.get('ts')
  if (session.appServiceId === undefined || text === null) return {}
  const timestamp = integerFrom(query, 'ts', 0, Number.MAX_SAFE_INTEGER)
  return { timestamp }
}

/** The event that a redaction names. */
function redactedBy(content: JsonObject): EventId {
  const target = parseEventId(content['redacts'])
  if (target === undefined) throw new MatrixError(400, 'M_BAD_JSON', 'A redaction names the event that it redacts')
  return target
}

/** The transaction's id and the event are one commit, so a repetition after a crash finds the event. */
async function sendOnce(
  api: Api,
  session: Session,
  scope: string,
  txnId: string,
  event: EventToSend,
  signal: AbortSignal,
): Promise<EventId> {
  const { nameCharactersMax } = limits.implementation
  if (txnId.length === 0 || txnId.length > nameCharactersMax)
    throw new MatrixError(400, 'M_INVALID_PARAM', `A transaction id has 1 to ${nameCharactersMax} characters`)
  api.ephemeral.presence.active(session.userId)
  return api.transactions.once(session, scope, txnId, {
    repeat: (earlier) => {
      if (earlier.eventId === undefined) throw new Error('a transaction of an event has no event')
      return earlier.eventId
    },
    perform: async (record) => {
      if (event.redacts !== undefined) await checkMayRedact(api, session, event.roomId, event.redacts)
      const sending = { ...event, sender: session.userId }
      const outcome = await api.conversation.annotations.once(sending, async () =>
        api.rooms.send(
          {
            ...sending,
            transactionId: { deviceId: session.deviceId, txnId },
            extraWrites: (transaction, eventId) => record(transaction, { eventId }),
          },
          signal,
        ),
      )
      if (outcome.kind === 'duplicate') throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', 'You have said this of the event before')
      return sentEventId(outcome.result)
    },
  })
}

async function sendState(
  api: Api,
  session: Session,
  place: { readonly roomId: string; readonly type: string; readonly stateKey: string; readonly timestamp?: number },
  sent: JsonObject,
  signal: AbortSignal,
): Promise<EventId> {
  const roomId = roomIdFrom(place.roomId)
  const { type, stateKey } = place
  const state = joinedState(api, session, roomId)
  // Clients send back the whole content of their membership with another name in it.
  const content = type === 'm.room.member' ? withoutVoucher(sent) : sent
  if (type === 'm.room.server_acl' && stateKey === '') refuseLockout(api, content)
  const existing = state.get(type, stateKey)
  // The same state again is no news, but the answer that a repeated request expects.
  if (existing?.pdu.sender === session.userId && canonicalJson(existing.pdu.content) === canonicalJson(sent)) return existing.eventId
  if (type === 'm.room.redaction') await checkMayRedact(api, session, roomId, redactedBy(content))
  if (type === 'm.room.canonical_alias' && stateKey === '') await checkCanonicalAlias(api, roomId, existing?.pdu.content, content, signal)
  const invitee = type === 'm.room.member' && content['membership'] === 'invite' ? parseUserId(stateKey) : undefined
  if (invitee !== undefined && serverNameOf(invitee) !== api.serverName) {
    await inviteUser(api, session.userId, { roomId, invitee, content }, signal)
    const invite = state.get(type, stateKey)
    if (invite !== undefined) return invite.eventId
  }
  const time = place.timestamp === undefined ? {} : { timestamp: place.timestamp }
  return sentEventId(await api.rooms.send({ roomId, sender: session.userId, type, stateKey, content, ...time }, signal))
}
