import { canonicalJson, type JsonObject, parseUserId, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { canonicalObjectSchema, mapSchema } from '../schemas.ts'

const { nameCharactersMax, toDeviceMessagesPerRequestMax } = limits.implementation

const messagesSchema = v.looseObject({
  messages: mapSchema(mapSchema(canonicalObjectSchema, toDeviceMessagesPerRequestMax), toDeviceMessagesPerRequestMax),
})

export const toDeviceEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/sendToDevice/:type/:txnId',
    body: messagesSchema,
    async handle(api, { params, session, body }) {
      const { type, txnId } = params
      if (txnId.length === 0 || txnId.length > nameCharactersMax || type.length > nameCharactersMax)
        throw new MatrixError(400, 'M_INVALID_PARAM', 'Type or transaction id is too long')
      const messages = new Map<UserId, ReadonlyMap<string, JsonObject>>()
      for (const [name, devices] of body.messages) {
        const userId = parseUserId(name)
        if (userId === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'messages names something that is no user id')
        if (devices.some(([, content]) => canonicalJson(content).length > limits.implementation.toDeviceContentBytesMax)) {
          throw new MatrixError(413, 'M_TOO_LARGE', 'A message is too large')
        }
        messages.set(userId, new Map(devices))
      }
      await api.transactions.once(session, `sendToDevice ${type}`, txnId, {
        repeat: () => undefined,
        perform: async (record) => api.toDevice.send(session.userId, type, messages, (transaction) => record(transaction, {})),
      })
      return {}
    },
  }),
]
