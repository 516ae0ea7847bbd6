import { isJsonObject, type JsonObject, type ServerName, unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { Log } from '../../ports/log.ts'
import type { PeerRequestHandler } from '../../ports/peer-network.ts'
import { StorageFullError } from '../../ports/storage.ts'
import { BodyTooLargeError, readBoundedText } from '../bounded-body.ts'
import { parseBoundedJson } from '../bounded-json.ts'
import { OriginGate } from './origin-gate.ts'

/** A request of another server, as an endpoint sees it. */
export interface PeerRequest {
  readonly origin: ServerName
  readonly query: URLSearchParams
  readonly signal: AbortSignal
  /** A part of the path that the endpoint's pattern names, decoded. */
  parameter(name: string): string
  /** @throws MatrixError M_TOO_LARGE, M_NOT_JSON, M_BAD_JSON */
  jsonObject(bytesMax?: number): Promise<JsonObject>
}

/** One method of one path. `:name` in the path matches one part. The answer is the JSON of a 200, or a whole response. */
export interface Endpoint {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  /** @throws MatrixError for every refusal. */
  handle(request: PeerRequest): Promise<JsonObject | Response> | JsonObject | Response
}

/** Turns endpoints into one handler. Every error becomes a Matrix error; only storage and bugs make a 5xx. */
export function createRouter(endpoints: readonly Endpoint[], log: Log, signal: AbortSignal): PeerRequestHandler {
  const routes = endpoints.map((endpoint) => ({ endpoint, parts: endpoint.path.split('/') }))
  const gate = new OriginGate()
  return async (origin, request) => {
    try {
      const url = new URL(request.url)
      const found = findEndpoint(routes, request.method, url.pathname)
      const bounded = AbortSignal.any([signal, request.signal])
      const answer = await gate.run(origin, bounded, async () =>
        found.endpoint.handle(peerRequestOf(origin, request, url.searchParams, found.parameters, bounded)),
      )
      return answer instanceof Response ? answer : Response.json(answer)
    } catch (error) {
      // Nobody waits for this answer any more, and that is no failure.
      if (signal.aborted || request.signal.aborted) return new MatrixError(503, 'M_UNKNOWN', 'The request was cancelled').toResponse()
      return errorResponse(error, log, origin)
    }
  }
}

interface Route {
  readonly endpoint: Endpoint
  readonly parts: readonly string[]
}

interface FoundEndpoint {
  readonly endpoint: Endpoint
  readonly parameters: ReadonlyMap<string, string>
}

function findEndpoint(routes: readonly Route[], method: string, pathname: string): FoundEndpoint {
  const parts = pathname.split('/')
  let pathKnown = false
  for (const { endpoint, parts: pattern } of routes) {
    const parameters = matchPath(pattern, parts)
    if (parameters === undefined) continue
    if (endpoint.method === method) return { endpoint, parameters }
    pathKnown = true
  }
  if (pathKnown) throw new MatrixError(405, 'M_UNRECOGNIZED', 'This endpoint does not have this method')
  throw new MatrixError(404, 'M_UNRECOGNIZED', 'Unknown endpoint')
}

function matchPath(pattern: readonly string[], parts: readonly string[]): Map<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined
  const parameters = new Map<string, string>()
  for (const [index, expected] of pattern.entries()) {
    const part = parts[index] ?? ''
    if (expected.startsWith(':')) {
      const decoded = decodePart(part)
      if (decoded === undefined || decoded === '') return undefined
      parameters.set(expected.slice(1), decoded)
    } else if (expected !== part) return undefined
  }
  return parameters
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function peerRequestOf(
  origin: ServerName,
  request: Request,
  query: URLSearchParams,
  parameters: ReadonlyMap<string, string>,
  signal: AbortSignal,
): PeerRequest {
  return {
    origin,
    query,
    signal,
    parameter: (name) => parameters.get(name) ?? '',
    jsonObject: (bytesMax = limits.implementation.requestBodyBytesMax) => readJsonObject(request, bytesMax),
  }
}

async function readJsonObject(request: Request, bytesMax: number): Promise<JsonObject> {
  const parsed = parseBoundedJson(await readBoundedText(request.body, bytesMax))
  switch (parsed.kind) {
    case 'ok':
      if (isJsonObject(parsed.value)) return parsed.value
      throw new MatrixError(400, 'M_BAD_JSON', 'The body must be a JSON object')
    case 'not-json':
      throw new MatrixError(400, 'M_NOT_JSON', 'The body is no JSON')
    case 'too-deep':
      throw new MatrixError(400, 'M_BAD_JSON', 'The body is nested too deeply')
    default:
      return unreachable(parsed)
  }
}

function errorResponse(error: unknown, log: Log, origin: ServerName): Response {
  if (error instanceof MatrixError) return error.toResponse()
  if (error instanceof BodyTooLargeError) return new MatrixError(413, 'M_TOO_LARGE', 'The body is too large').toResponse()
  if (error instanceof StorageFullError) {
    log.error('A request of a peer was refused for lack of room on this device', { origin })
    return new MatrixError(503, 'M_RESOURCE_LIMIT_EXCEEDED', 'No room left on this device').toResponse()
  }
  log.error('A request of a peer failed', { origin, error: error instanceof Error ? error.name : 'unknown', stack: stackOf(error) })
  return new MatrixError(500, 'M_UNKNOWN', 'Internal error').toResponse()
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined
}
