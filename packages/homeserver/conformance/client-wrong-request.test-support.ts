import type { Example } from './bad-requests.test-support.ts'

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
