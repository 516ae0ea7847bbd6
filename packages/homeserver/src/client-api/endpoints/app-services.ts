import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { roomIdFrom } from '../parameters.ts'
import { nameSchema } from '../schemas.ts'
import type { Session } from '../../accounts/accounts.ts'
import type { AppService } from '../../app-services/app-service.ts'

const { appServiceAnswerCharactersMax, nameCharactersMax } = limits.implementation

export const appServiceEndpoints = [
  endpoint({
    method: 'POST',
    path: '/appservice/:appServiceId/ping',
    versions: ['v1', 'unstable/fi.mau.msc2659'],
    body: v.looseObject({ transaction_id: v.optional(nameSchema) }),
    async handle(api, { params, session, body, signal }) {
      const service = requireService(api, session)
      if (service.id !== params.appServiceId) throw new MatrixError(403, 'M_FORBIDDEN', 'This is another application service')
      const began = api.ports.clock.now()
      await ping(api, service, body.transaction_id, signal)
      return { duration_ms: api.ports.clock.now() - began }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/directory/list/appservice/:networkId/:roomId',
    body: v.looseObject({ visibility: v.picklist(['public', 'private']) }),
    async handle(api, { params, session, body }) {
      const service = requireService(api, session)
      const roomId = roomIdFrom(params.roomId)
      if (params.networkId.length > nameCharactersMax) throw new MatrixError(400, 'M_INVALID_PARAM', 'The name of the network is too long')
      if (body.visibility === 'private') await api.networkRooms.unpublish(service.id, params.networkId, roomId)
      else if (!api.rooms.has(roomId)) throw new MatrixError(404, 'M_NOT_FOUND', 'No such room')
      else if (!(await api.networkRooms.publish(service.id, params.networkId, roomId)))
        throw new MatrixError(400, 'M_UNKNOWN', 'Too many rooms are published')
      return {}
    },
  }),
]

function requireService(api: Api, session: Session): AppService {
  const service = api.appServices.get(session.appServiceId)
  if (service === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'Only application services may do this')
  return service
}

/** @throws MatrixError with what the specification says of each way in which this fails. */
async function ping(api: Api, service: AppService, transactionId: string | undefined, signal: AbortSignal): Promise<void> {
  const body = transactionId === undefined ? {} : { transaction_id: transactionId }
  const answer = await api.appServices.calls?.call(service, 'POST', '/ping', body, signal)
  switch (answer?.kind) {
    case undefined:
      throw new MatrixError(400, 'M_URL_NOT_SET', 'The application service has no address')
    case 'timed-out':
      throw new MatrixError(504, 'M_CONNECTION_TIMEOUT', 'The application service did not answer in time')
    case 'unreachable':
      throw new MatrixError(502, 'M_CONNECTION_FAILED', 'The application service cannot be reached')
    case 'answered':
      if (answer.status >= 200 && answer.status < 300) return
      throw new MatrixError(502, 'M_BAD_STATUS', `The application service answered with status ${answer.status}`, {
        status: answer.status,
        body: answer.text.slice(0, appServiceAnswerCharactersMax),
      })
  }
}
