import { parseUserId, unreachable } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import type { AppService } from '../app-services/app-service.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api, Endpoint } from './endpoint.ts'

/** What a request says of who makes it. */
interface Credentials {
  readonly headers: Headers
  readonly query: URLSearchParams
}

/** @throws MatrixError M_MISSING_TOKEN, M_UNKNOWN_TOKEN, and M_FORBIDDEN for an application service that acts as somebody else's user. */
export async function authenticate(api: Api, auth: Endpoint['auth'], credentials: Credentials): Promise<Session | undefined> {
  if (auth === 'none') return undefined
  const token = tokenOf(credentials)
  if (token === undefined) {
    if (auth === 'optional') return undefined
    throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token')
  }
  const service = api.appServices.ofToken(token)
  if (service !== undefined) return sessionOfService(api, service, credentials.query)
  const outcome = await api.devices.authenticate(token)
  switch (outcome.kind) {
    case 'session':
      return outcome.session
    case 'expired':
      throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'This access token has expired', { soft_logout: true })
    case 'unknown':
      throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'Unknown access token', { soft_logout: false })
    default:
      return unreachable(outcome)
  }
}

/** The application service that makes the request. @throws MatrixError M_MISSING_TOKEN, M_UNKNOWN_TOKEN */
export function requireAppService(api: Api, credentials: Credentials): AppService {
  const token = tokenOf(credentials)
  if (token === undefined) throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token')
  const service = api.appServices.ofToken(token)
  if (service === undefined) throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'This is no token of an application service')
  return service
}

/** Undefined for everybody but application services. */
export function appServiceFrom(api: Api, credentials: Credentials): AppService | undefined {
  const token = tokenOf(credentials)
  return token === undefined ? undefined : api.appServices.ofToken(token)
}

/** Whether the session may do as much as it likes: a bridge speaks for many. */
export function isFreeOfRates(api: Pick<Api, 'appServices'>, session: Session): boolean {
  const service = api.appServices.get(session.appServiceId)
  return service !== undefined && (session.userId === service.senderId || !service.registration.rateLimited)
}

function tokenOf({ headers, query }: Credentials): string | undefined {
  const header = headers.get('authorization')
  const token = header?.toLowerCase().startsWith('bearer ') === true ? header.slice('bearer '.length).trim() : query.get('access_token')
  return token === null || token === '' ? undefined : token
}

/**
 * An application service acts as its sender, or as the user that it names.
 * @see https://spec.matrix.org/latest/application-service-api/#identity-assertion
 */
function sessionOfService(api: Api, service: AppService, query: URLSearchParams): Session {
  const named = query.get('user_id')
  const userId = named === null ? service.senderId : parseUserId(named)
  if (userId === undefined || !service.hasUser(userId))
    throw new MatrixError(403, 'M_FORBIDDEN', 'This user does not belong to the application service')
  if (!api.accounts.exists(userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'The application service has not registered this user')
  const deviceId = query.get('device_id') ?? query.get('org.matrix.msc3202.device_id') ?? ''
  if (deviceId !== '' && api.devices.get(userId, deviceId) === undefined)
    throw new MatrixError(400, 'M_UNKNOWN_DEVICE', 'The user has no such device')
  return { userId, deviceId, appServiceId: service.id }
}
