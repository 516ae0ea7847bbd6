import { encodeUtf8, isJsonObject, type JsonObject, type RoomId, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { ownUserId, roomIdFrom } from '../parameters.ts'
import { jsonObjectSchema } from '../schemas.ts'

/** Kept up by endpoints of their own. Spec: Client-Server API, Client Config, Server Behaviour. */
const managedTypes = new Set(['m.push_rules', 'm.fully_read'])

export const accountDataEndpoints = [
  endpoint({
    method: 'GET',
    path: '/user/:userId/account_data/:type',
    handle: async (api, { params, session }) => read(api, ownUserId(params.userId, session), '', params.type),
  }),
  endpoint({
    method: 'PUT',
    path: '/user/:userId/account_data/:type',
    body: jsonObjectSchema,
    handle: async (api, { params, session, body }) => write(api, ownUserId(params.userId, session), '', params.type, body),
  }),
  endpoint({
    method: 'GET',
    path: '/user/:userId/rooms/:roomId/account_data/:type',
    handle: async (api, { params, session }) => read(api, ownUserId(params.userId, session), roomIdFrom(params.roomId), params.type),
  }),
  endpoint({
    method: 'PUT',
    path: '/user/:userId/rooms/:roomId/account_data/:type',
    body: jsonObjectSchema,
    handle: async (api, { params, session, body }) =>
      write(api, ownUserId(params.userId, session), roomIdFrom(params.roomId), params.type, body),
  }),
  endpoint({
    method: 'GET',
    path: '/user/:userId/rooms/:roomId/tags',
    async handle(api, { params, session }) {
      const content = await api.accountData.get(ownUserId(params.userId, session), roomIdFrom(params.roomId), 'm.tag')
      return { tags: tagsOf(content) }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/user/:userId/rooms/:roomId/tags/:tag',
    body: v.pipe(
      jsonObjectSchema,
      v.check(({ order }) => order === undefined || (typeof order === 'number' && order >= 0 && order <= 1), 'order is from 0 to 1'),
    ),
    async handle(api, { params, session, body }) {
      const userId = ownUserId(params.userId, session)
      if (encodeUtf8(params.tag).length > limits.specification.tagBytesMax)
        throw new MatrixError(400, 'M_INVALID_PARAM', 'The tag is too long')
      await api.accountData.update(userId, roomIdFrom(params.roomId), 'm.tag', (content) =>
        bounded({ ...content, tags: Object.fromEntries([...Object.entries(tagsOf(content)), [params.tag, body]]) }),
      )
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/user/:userId/rooms/:roomId/tags/:tag',
    async handle(api, { params, session }) {
      const userId = ownUserId(params.userId, session)
      await api.accountData.update(userId, roomIdFrom(params.roomId), 'm.tag', (content) => {
        const { [params.tag]: _removed, ...tags } = tagsOf(content)
        return { ...content, tags }
      })
      return {}
    },
  }),
]

async function read(api: Api, userId: UserId, roomId: RoomId | '', type: string): Promise<object> {
  const content =
    type === 'm.push_rules' && roomId === '' ? await api.pushRules.content(userId) : await api.accountData.get(userId, roomId, type)
  if (content === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'No such account data')
  return content
}

async function write(api: Api, userId: UserId, roomId: RoomId | '', type: string, content: JsonObject): Promise<object> {
  if (managedTypes.has(type)) throw new MatrixError(405, 'M_BAD_JSON', `${type} is not set through account data`)
  if (type.length > limits.implementation.nameCharactersMax) throw new MatrixError(400, 'M_INVALID_PARAM', 'The type is too long')
  await api.accountData.set(userId, roomId, type, bounded(content))
  return {}
}

function bounded(content: JsonObject): JsonObject {
  if (JSON.stringify(content).length > limits.implementation.accountDataBytesMax) {
    throw new MatrixError(413, 'M_TOO_LARGE', 'The account data would be too large')
  }
  return content
}

function tagsOf(content: JsonObject | undefined): JsonObject {
  const tags = content?.['tags']
  return isJsonObject(tags) ? tags : {}
}
