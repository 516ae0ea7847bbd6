import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import type { Report } from '../../conversation/tables.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { eventIdFrom, integerFrom, roomIdFrom, userIdFrom } from '../parameters.ts'

const { reportReasonCharactersMax, reportsPageMax } = limits.implementation

const reason = v.pipe(v.string(), v.maxLength(reportReasonCharactersMax))

/**
 * Reports go to the owner of this node. Of rooms and users each is taken, so that the answer does not tell what is known here.
 * @see https://spec.matrix.org/latest/client-server-api/#reporting-content
 */
export const reportEndpoints = [
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/report',
    body: v.looseObject({ reason }),
    async handle(api, { params, session, body }) {
      return report(api, session, { kind: 'room', roomId: roomIdFrom(params.roomId) }, body.reason)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/report/:eventId',
    body: v.looseObject({ reason: v.optional(reason, '') }),
    async handle(api, { params, session, body }) {
      const roomId = roomIdFrom(params.roomId)
      const eventId = eventIdFrom(params.eventId)
      const isInside = api.rooms.state(roomId)?.membershipOf(session.userId) === 'join'
      const event = isInside ? await api.rooms.event(eventId) : undefined
      // One answer for rooms that the user is not in, events that are not there, and those that the user may not see.
      if (event?.roomId !== roomId || !(await api.sync.visibility.isVisible(event, session.userId)))
        throw new MatrixError(404, 'M_NOT_FOUND', 'The event was not found, or you are not in the room')
      return report(api, session, { kind: 'event', roomId, eventId, sender: event.pdu.sender }, body.reason)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/users/:userId/report',
    body: v.looseObject({ reason }),
    async handle(api, { params, session, body }) {
      return report(api, session, { kind: 'user', userId: userIdFrom(params.userId) }, body.reason)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/reports',
    versions: ['unstable/im.kith'],
    async handle(api, { session, query }) {
      if (!api.accounts.isOwner(session.userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'Reports are for the owner of this node')
      const reports = await api.conversation.reports.list(integerFrom(query, 'limit', reportsPageMax, reportsPageMax))
      return { reports }
    },
  }),
]

async function report(api: Api, session: Session, about: Report['about'], text: string): Promise<object> {
  api.rates.reportsPerUser.take(session.userId)
  await api.conversation.reports.add({ by: session.userId, at: api.ports.clock.now(), about, reason: text })
  return {}
}
