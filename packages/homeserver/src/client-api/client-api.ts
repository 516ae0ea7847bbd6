import { isJsonObject } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { KeyedQueue } from '../keyed-queue.ts'
import { DehydratedDevices } from '../keys/dehydrated-devices.ts'
import { KeyBackup } from '../keys/key-backup.ts'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import { StorageFullError } from '../ports/storage.ts'
import { RoomBusyError } from '../rooms/index.ts'
import { SlidingSync } from '../sync/sliding/sliding-sync.ts'
import { authenticate, isFreeOfRates } from './authenticate.ts'
import { callerOf } from './caller.ts'
import type { ClientApiComponents } from './components.ts'
import { preflightResponse, withCors } from './cors.ts'
import type { Api, Endpoint } from './endpoint.ts'
import { endpoints } from './endpoints/index.ts'
import { InteractiveAuth } from './interactive-auth.ts'
import { LoginTokens } from './login-tokens.ts'
import { Passwords } from './passwords.ts'
import { PollsUnderWay } from './polls-under-way.ts'
import { RateLimits } from './rate-limits.ts'
import { readJsonBody } from './read-body.ts'
import { refuseRestricted } from './restrictions.ts'
import { Router } from './router.ts'
import { SpaceWalks } from './space-walks.ts'

/** The Client-Server API. The function never throws: every failure is a Matrix error. */
export function createClientApi(components: ClientApiComponents): (request: Request) => Promise<Response> {
  const { clock, random, log, storage } = components.ports
  const rates = new RateLimits(clock)
  const passwords = new Passwords(components.accounts, rates)
  const api: Api = {
    ...components,
    rates,
    passwords,
    polls: new PollsUnderWay(components.accounts),
    interactiveAuth: new InteractiveAuth({ accounts: components.accounts, passwords, rates, clock, random }),
    loginTokens: new LoginTokens(components.accounts, clock, random),
    backup: new KeyBackup(storage),
    dehydratedDevices: new DehydratedDevices({ ...components, storage, clock }),
    spaceWalks: new SpaceWalks(components),
    upgrades: new KeyedQueue(),
    slidingSync: new SlidingSync(components),
  }
  const router = new Router(endpoints)
  return async (request) => {
    if (request.method === 'OPTIONS') return preflightResponse()
    const url = new URL(request.url)
    try {
      return withCors(await dispatch(api, router, request, url))
    } catch (error) {
      const known = toMatrixError(error, request.signal, components.federation.closing)
      if (known === undefined) {
        log.error('client request failed unexpectedly', {
          method: request.method,
          route: routeName(router, request, url),
          error: errorName(error),
        })
      }
      return withCors((known ?? new MatrixError(500, 'M_UNKNOWN', 'Internal error')).toResponse())
    }
  }
}

async function dispatch(api: Api, router: Router, request: Request, url: URL): Promise<Response> {
  const route = router.find(request.method === 'HEAD' ? 'GET' : request.method, url.pathname)
  switch (route.kind) {
    case 'unknown':
      throw new MatrixError(404, 'M_UNRECOGNIZED', 'Unknown endpoint')
    case 'wrong-method':
      throw new MatrixError(405, 'M_UNRECOGNIZED', 'This endpoint does not know the method')
    case 'found':
      break
  }
  const { endpoint, params } = route
  const session = await authenticate(api, endpoint.auth, { headers: request.headers, query: url.searchParams })
  if (session !== undefined) {
    await refuseRestricted(api, session, endpoint, params)
    if (endpoint.method !== 'GET' && !isFreeOfRates(api, session)) api.rates.changesPerUser.take(session.userId)
  }
  const body = await readBody(endpoint, request)
  const answer = await endpoint.handle(api, {
    params,
    query: url.searchParams,
    body,
    bytes: endpoint.bodySchema === undefined ? request.body : null,
    headers: request.headers,
    session,
    caller: callerOf(request.headers, session),
    signal: request.signal,
    url,
  })
  const response = answer instanceof Response ? answer : Response.json(answer)
  if (request.method !== 'HEAD') return response
  // Nobody will read it, and what is being read cannot be forgotten.
  await response.body?.cancel()
  return new Response(null, response)
}

async function readBody(endpoint: Endpoint, request: Request): Promise<unknown> {
  if (endpoint.bodySchema === undefined) return undefined
  const json = await readJsonBody(request, endpoint.bodyBytesMax ?? limits.implementation.clientBodyBytesMax)
  if (!isJsonObject(json)) throw new MatrixError(400, 'M_BAD_JSON', 'The body is not a JSON object')
  const parsed = v.safeParse(endpoint.bodySchema, json)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  const path = v.getDotPath(issue)
  throw new MatrixError(
    400,
    'M_BAD_JSON',
    path === null ? 'The body has a wrong shape' : `The body has a wrong shape at ${path.slice(0, 200)}`,
  )
}

function toMatrixError(error: unknown, signal: AbortSignal, closing: AbortSignal): MatrixError | undefined {
  if (error instanceof MatrixError) return error
  if (error instanceof StorageFullError) {
    return new MatrixError(507, 'M_RESOURCE_LIMIT_EXCEEDED', 'There is no room left on this device; nothing was stored')
  }
  if (error instanceof RoomBusyError)
    return new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much is going on in this room', { retry_after_ms: 1000 })
  // Nobody reads this answer any more.
  if (signal.aborted) return new MatrixError(499, 'M_UNKNOWN', 'The request was cancelled')
  if (closing.aborted && error === closing.reason)
    return new MatrixError(503, 'M_UNKNOWN', 'The server is closing; try again when it is back')
  return undefined
}

/** The path's pattern: the path itself may hold ids that do not belong into logs. */
function routeName(router: Router, request: Request, url: URL): string {
  const route = router.find(request.method, url.pathname)
  return route.kind === 'found' ? (route.endpoint.paths[0] ?? '') : ''
}

function errorName(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : typeof error
}
