import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'

const lookUps = [
  '/thirdparty/protocol/:protocol',
  '/thirdparty/location/:protocol',
  '/thirdparty/user/:protocol',
  '/thirdparty/location',
  '/thirdparty/user',
] as const

/** Nothing bridges to other networks from here. */
export const thirdPartyNetworkEndpoints = [
  endpoint({ method: 'GET', path: '/thirdparty/protocols', handle: async () => ({}) }),
  ...lookUps.map((path) =>
    endpoint({
      method: 'GET',
      path,
      handle: async () => {
        throw new MatrixError(404, 'M_NOT_FOUND', 'There is no bridge to other networks here')
      },
    }),
  ),
]
