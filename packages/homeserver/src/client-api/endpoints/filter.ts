import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { filterSchema } from '../filter-shape.ts'
import { ownUserId } from '../parameters.ts'

export const filterEndpoints = [
  endpoint({
    method: 'POST',
    path: '/user/:userId/filter',
    body: filterSchema,
    async handle(api, { params, session, body }) {
      const userId = ownUserId(params.userId, session)
      if (JSON.stringify(body).length > limits.implementation.filterBytesMax)
        throw new MatrixError(413, 'M_TOO_LARGE', 'The filter is too large')
      const filterId = await api.filters.add(userId, body)
      if (filterId === undefined) throw new MatrixError(400, 'M_UNKNOWN', 'There are too many filters')
      return { filter_id: filterId }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/user/:userId/filter/:filterId',
    async handle(api, { params, session }) {
      const filter = await api.filters.get(ownUserId(params.userId, session), params.filterId)
      if (filter === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'No such filter')
      return filter
    },
  }),
]
