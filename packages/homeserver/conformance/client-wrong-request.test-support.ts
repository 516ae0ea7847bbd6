import type { Example } from './bad-requests.test-support.ts'
import { type ClientExchange, errcodeOf, problemsOfForm } from './client-exchange-checks.test-support.ts'
import { toleranceOf } from './client-tolerance.test-support.ts'
import type { Operation } from './openapi.test-support.ts'

/** A request that is wrong in one known way, and the answers that are right: `400 M_NOT_JSON`, or undefined for any that blames the sender or bears it. */
export interface WrongRequest {
  readonly what: string
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly expected: readonly string[] | undefined
}

/** What a body or a parameter of the wrong shape is answered with. */
export const wrongShape: readonly string[] = ['400 M_BAD_JSON', '400 M_INVALID_PARAM', '400 M_MISSING_PARAM']

export function urlOf(path: string, query: URLSearchParams): string {
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

/** The body of the example, where there is one. */
export function bodyOf({ body }: Example): { readonly body?: string } {
  return body === undefined ? {} : { body: JSON.stringify(body) }
}

/** What is wrong with the answer to a wrong request. */
export function problemsOfAnswer(
  operation: Operation,
  request: Pick<WrongRequest, 'what' | 'expected'>,
  exchange: ClientExchange,
): string[] {
  const answer = `${exchange.status} ${errcodeOf(exchange)}`
  const tolerance = toleranceOf(operation.id, request.what)
  const expected = tolerance === undefined ? request.expected : tolerance.answers
  const problems = [...problemsOfForm(operation, exchange)]
  if (expected !== undefined && !expected.includes(answer)) problems.push('another answer is due')
  return problems.map((problem) => `${request.what}: ${answer}: ${problem}`)
}
