import { isJsonObject, type JsonObject, parseServerName, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { countQuery } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1version */
export function versionEndpoint(parts: Pick<ServeParts, 'softwareVersion'>, name: string): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/version',
    handle: () => ({ server: { name, version: parts.softwareVersion } }),
  }
}

/**
 * A node is reached by the name that is its key, and by no other; so it delegates to itself.
 * @see https://spec.matrix.org/latest/server-server-api/#getwell-knownmatrixserver
 */
export function wellKnownEndpoint({ serverName }: Pick<ServeParts, 'serverName'>): Endpoint {
  return { method: 'GET', path: '/.well-known/matrix/server', handle: () => ({ 'm.server': serverName }) }
}

/** The name is the key already; this is for servers of other kinds. @see https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2server */
export function serverKeyEndpoint({ serverKeys }: Pick<ServeParts, 'serverKeys'>): Endpoint {
  return { method: 'GET', path: '/_matrix/key/v2/server', handle: () => serverKeys.own() }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2queryservername */
export function notaryQueryEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/key/v2/query/:serverName',
    async handle(request) {
      const server = parseServerName(request.parameter('serverName'))
      if (server === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no server name')
      const minimum = countQuery(request, 'minimum_valid_until_ts', parts.ports.clock.now(), Number.MAX_SAFE_INTEGER)
      return { server_keys: await keysOf(parts, new Map([[server, minimum]]), request.signal) }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#post_matrixkeyv2query */
export function notaryBulkQueryEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: '/_matrix/key/v2/query',
    async handle(request) {
      const wanted = wantedKeys((await request.jsonObject())['server_keys'], parts.ports.clock.now())
      if (wanted === undefined) throw new MatrixError(400, 'M_BAD_JSON', '`server_keys` must map servers to key ids to criteria')
      if (wanted.size > limits.implementation.serversPerKeyNotaryQueryMax)
        throw new MatrixError(400, 'M_INVALID_PARAM', 'Too many servers at once')
      return { server_keys: await keysOf(parts, wanted, request.signal) }
    },
  }
}

async function keysOf(parts: ServeParts, wanted: ReadonlyMap<ServerName, number>, signal: AbortSignal): Promise<JsonObject[]> {
  const asked = Array.from(wanted, async ([server, minimum]) => parts.serverKeys.of(server, minimum, signal))
  return (await Promise.all(asked)).filter((keys) => keys !== undefined)
}

/** Every server with the time until which its keys should be valid; names that are none are nobody's. Undefined for a malformed query. */
function wantedKeys(value: unknown, now: number): Map<ServerName, number> | undefined {
  if (!isJsonObject(value)) return undefined
  const wanted = new Map<ServerName, number>()
  for (const [name, keys] of Object.entries(value)) {
    if (!isJsonObject(keys)) return undefined
    let minimum = now
    for (const criteria of Object.values(keys)) {
      if (!isJsonObject(criteria)) return undefined
      const { minimum_valid_until_ts: time = now } = criteria
      if (typeof time !== 'number' || !Number.isSafeInteger(time)) return undefined
      minimum = Math.max(minimum, time)
    }
    const server = parseServerName(name)
    if (server !== undefined) wanted.set(server, minimum)
  }
  return wanted
}
