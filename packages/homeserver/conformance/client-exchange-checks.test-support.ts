import type { TestNode, TestUser } from '../src/client-api/test-node.test-support.ts'
import { type Exchange, problemsOfResponse } from './exchange-checks.test-support.ts'
import { checkChallenge, errcodesOfData, type Operation } from './openapi.test-support.ts'

/** A client's request and what came of it. */
export interface ClientExchange extends Exchange {
  readonly operation: Operation
  readonly asker: TestUser | TestNode
  readonly headers: Headers
  readonly text: string
}

/** Errcodes that only the prose of the specification names. @see https://spec.matrix.org/v1.19/client-server-api/#standard-error-response */
const errcodesOfProse = [
  'M_BAD_STATE',
  'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM',
  'M_GUEST_ACCESS_FORBIDDEN',
  'M_INCOMPATIBLE_ROOM_VERSION',
  'M_MISSING_TOKEN',
  'M_RESOURCE_LIMIT_EXCEEDED',
  'M_UNABLE_TO_AUTHORISE_JOIN',
  'M_UNABLE_TO_GRANT_JOIN',
  'M_UNAUTHORIZED',
  'M_UNSUPPORTED_ROOM_VERSION',
  'M_USER_LOCKED',
  'M_USER_SUSPENDED',
  'M_WEAK_PASSWORD',
]
const errcodes: ReadonlySet<string> = errcodesOfData().union(new Set(errcodesOfProse))

/** Where the data says something else than the prose, or than what every client and server take for right. */
const exceptions: ReadonlyMap<string, { readonly pattern: RegExp; readonly reason: string }> = new Map([
  [
    'getRoomStateWithKey',
    {
      pattern: /must match exactly one schema in oneOf/,
      reason: 'An event is an object too, so whatever is an event matches both of the schemas.',
    },
  ],
  [
    'getTurnServer',
    {
      pattern: /must have required property '(username|password|uris|ttl)'/,
      reason:
        'A server without TURN answers an empty object: clients look for `uris`, and a list without any would be refused by browsers.',
    },
  ],
])

/** What is wrong with an answer to a client by the data and by what the specification says of every answer. */
export function problemsOfClientResponse(operation: Operation, exchange: ClientExchange): string[] {
  const problems = isChallenge(exchange) ? checkChallenge(exchange.responseBody) : problemsOfResponse(operation, exchange)
  const exception = exceptions.get(operation.id)
  return [...problems.filter((problem) => exception?.pattern.test(problem) !== true), ...problemsOfForm(operation, exchange)]
}

/** What no answer may be, whatever was asked. */
export function problemsOfForm(operation: Operation, exchange: ClientExchange): string[] {
  const { status, headers, text } = exchange
  const problems: string[] = []
  if (status >= 500 && !operation.responses.has(status) && !isRefusalByOthers(exchange)) problems.push(`a fault of ours: ${status}`)
  // Clients are pages of other origins.
  if (headers.get('access-control-allow-origin') !== '*') problems.push('no page may read the answer')
  if (looksLikeStack(text)) problems.push('the answer shows a stack')
  return [...problems, ...(status >= 400 ? problemsOfError(exchange) : problemsOfSuccess(operation, exchange))]
}

/** `-` where there is none. */
export function errcodeOf({ responseBody }: Pick<ClientExchange, 'responseBody'>): string {
  const { errcode } = (responseBody ?? {}) as { errcode?: unknown }
  return typeof errcode === 'string' ? errcode : '-'
}

function isChallenge({ status, responseBody }: ClientExchange): boolean {
  return status === 401 && typeof responseBody === 'object' && responseBody !== null && 'flows' in responseBody
}

function problemsOfError(exchange: ClientExchange): string[] {
  const { status, contentType, responseBody } = exchange
  if (!contentType.startsWith('application/json')) return [`the error is ${contentType}`]
  if (typeof responseBody !== 'object' || responseBody === null) return ['the error is no object']
  const { errcode, error } = responseBody as { errcode?: unknown; error?: unknown }
  // A challenge of interactive authentication has an errcode only where a stage failed.
  if (errcode === undefined && isChallenge(exchange)) return []
  const problems = typeof error === 'string' && error !== '' ? [] : ['the error says nothing to people']
  // Clients wait and ask again: https://spec.matrix.org/v1.19/client-server-api/#rate-limiting
  if (errcode === 'M_LIMIT_EXCEEDED' && status !== 429) problems.push(`M_LIMIT_EXCEEDED with the status ${status}`)
  if (typeof errcode !== 'string' || !errcodes.has(errcode)) problems.push(`${String(errcode)} is no errcode of the specification`)
  return problems
}

function problemsOfSuccess(operation: Operation, { status, contentType, headers }: ClientExchange): string[] {
  const shape = operation.responses.get(status)
  if (shape === undefined) return []
  const missing = shape.requiredHeaders.filter((name) => headers.get(name) === null).map((name) => `${name} is missing`)
  const { contentTypes } = shape
  // Files are of whatever kind they are; the data lists some.
  const isAnyKind =
    contentTypes.length === 0 || contentTypes.some((type) => type === 'application/octet-stream' || type.startsWith('image/'))
  const isRight = isAnyKind || contentTypes.some((type) => contentType === type || contentType.startsWith(`${type};`))
  return isRight ? missing : [...missing, `the answer is ${contentType}`]
}

/** No server that could have helped was reached: no fault of this node, whatever was asked. */
function isRefusalByOthers({ status, responseBody }: ClientExchange): boolean {
  return status === 504 && (responseBody as { 'im.kith.unreachable'?: unknown })['im.kith.unreachable'] === true
}

function looksLikeStack(text: string): boolean {
  return /\n\s+at |\.ts:\d+|node_modules|TypeError|RangeError/.test(text)
}
