import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from '../src/client-api/endpoint.ts'
import { endpoints } from '../src/client-api/endpoints/index.ts'
import type { ClientExchange } from './client-exchange-checks.test-support.ts'
import type { Operation } from './openapi.test-support.ts'

/** Operations that have no route yet. One that gets a route must leave the list and be called. */
export const pending: ReadonlySet<string> = new Set()

const unstable = '/_matrix/client/unstable'
/** What clients from before it was specified ask for: none of them may be lost. */
export const proposedNames: readonly string[] = [
  `GET ${unstable}/org.matrix.msc2965/auth_metadata`,
  `GET ${unstable}/org.matrix.msc3231/register/m.login.registration_token/validity`,
  `POST ${unstable}/fi.mau.msc2659/appservice/:appServiceId/ping`,
  `GET ${unstable}/uk.tcpip.msc4133/profile/:userId`,
  `GET ${unstable}/uk.tcpip.msc4133/profile/:userId/:field`,
  `PUT ${unstable}/uk.tcpip.msc4133/profile/:userId/:field`,
  `DELETE ${unstable}/uk.tcpip.msc4133/profile/:userId/:field`,
  `GET ${unstable}/rooms/:roomId/relations/:eventId`,
  `GET ${unstable}/rooms/:roomId/relations/:eventId/:relType`,
  `GET ${unstable}/rooms/:roomId/relations/:eventId/:relType/:eventType`,
  `GET ${unstable}/org.matrix.msc3856/rooms/:roomId/threads`,
  `GET ${unstable}/org.matrix.msc2946/rooms/:roomId/hierarchy`,
  `GET ${unstable}/org.matrix.msc3030/rooms/:roomId/timestamp_to_event`,
  `POST ${unstable}/keys/device_signing/upload`,
  `POST ${unstable}/keys/signatures/upload`,
]

/** A row of the table in docs/LIMITS.md. */
export interface Unsupported {
  readonly operation: string
  readonly status: number
  readonly errcode: string
  readonly reason: string
}

const limitsFile = fileURLToPath(new URL('../../../docs/LIMITS.md', import.meta.url))

/** What the documentation says that a personal node does not support. */
export function unsupportedOperations(): Unsupported[] {
  const rows = readFileSync(limitsFile, 'utf8').matchAll(/^\| `(\w+)` +\| (\d{3}) (M_\w+) +\| (.+?) +\|$/gm)
  return [...rows].map(([, operation = '', status = '', errcode = '', reason = '']) => ({
    operation,
    status: Number(status),
    errcode,
    reason,
  }))
}

/** Every operation succeeds somewhere, but those of the table: they answer what it says, and nothing else that is a success. */
export function problemsOfCoverage(
  exchanges: readonly Pick<ClientExchange, 'operation' | 'status' | 'responseBody'>[],
  row: Unsupported | undefined,
): string[] {
  const isSuccess = exchanges.some(({ status, operation }) => status < 400 && operation.responses.has(status))
  if (row === undefined) return isSuccess ? [] : ['no success was seen']
  const isTold = exchanges.some(
    ({ status, responseBody }) => status === row.status && (responseBody as { errcode?: unknown } | undefined)?.errcode === row.errcode,
  )
  return [...(isSuccess ? ['is supported after all'] : []), ...(isTold ? [] : [`${row.status} ${row.errcode} was not seen`])]
}

/** Every operation has a route, but those that wait for theirs, and none of these has. */
export function problemsOfRoutes(operations: readonly Operation[], table: readonly Endpoint[], waiting: ReadonlySet<string>): string[] {
  return operations.flatMap((operation) => {
    const hasRoute = endpointOf(operation, table) !== undefined
    if (hasRoute !== waiting.has(operation.id)) return []
    return [hasRoute ? `${operation.id} has a route and must be called` : `${operation.id} has no route`]
  })
}

/** The endpoint of the route table that answers an operation. */
export function endpointOf(operation: Pick<Operation, 'method' | 'path'>, table: readonly Endpoint[] = endpoints): Endpoint | undefined {
  const wanted = shapeOf(operation.path)
  return table.find(({ method, paths }) => method === operation.method && paths.some((path) => shapeOf(path) === wanted))
}

/** The paths of the table that are no operation of the specification: older and unstable names, and Kith's own. */
export function otherPaths(operations: readonly Operation[]): { readonly endpoint: Endpoint; readonly path: string }[] {
  const known = new Set(operations.map(({ method, path }) => `${method} ${shapeOf(path)}`))
  return endpoints.flatMap((endpoint) =>
    endpoint.paths.filter((path) => !known.has(`${endpoint.method} ${shapeOf(path)}`)).map((path) => ({ endpoint, path })),
  )
}

/** A path with its parameters' names left out: the specification's and the table's differ. */
function shapeOf(path: string): string {
  return path.replaceAll(/\{\w+\}|:\w+/g, '*')
}

/** One line an operation: what was answered, and whether the specification says so of it. */
export function coverageTable(operations: readonly Operation[], exchanges: readonly ClientExchange[]): string {
  const lines = operations.map((operation) => {
    const { id, method, path } = operation
    const statuses = [...new Set(exchanges.filter((exchange) => exchange.operation.id === id).map(({ status }) => status))]
    const answers = statuses.toSorted((a, b) => a - b).map((status) => (operation.responses.has(status) ? `${status}` : `${status}*`))
    const state = pending.has(id) ? 'no route' : answers.join(' ')
    return [id.padEnd(42), state.padEnd(20), `${method} ${path}`].join('  ')
  })
  const called = operations.filter(({ id }) => exchanges.some(({ operation }) => operation.id === id)).length
  const others = otherPaths(operations).length
  const sum = `${called} of ${operations.length} operations called; ${endpoints.length} endpoints in the route table, ${others} other paths`
  return [['operation'.padEnd(42), 'answers (* not named)', 'request'].join('  '), ...lines, sum].join('\n')
}
