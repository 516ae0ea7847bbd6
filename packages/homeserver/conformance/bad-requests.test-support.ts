import fc from 'fast-check'
import type { Operation } from './openapi.test-support.ts'

/** A request that somebody might send. `body`: text, sent as it is. */
export interface BadRequest {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: string
}

/** A request of the operation that is right. */
export interface Example {
  readonly operation: Operation
  readonly path: string
  readonly query: URLSearchParams
  readonly body: unknown
}

const bodyless: ReadonlySet<string> = new Set(['GET', 'HEAD'])
const methods = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']
const nastyTexts = [
  ...[
    '',
    ' ',
    '.',
    '..',
    '%',
    '%00',
    '%ZZ',
    '%FF%FE',
    '\u0000',
    '💥',
    '@',
    '!',
    '$',
    '#',
    '@:',
    '!x',
    '$y',
    '@a:b',
    '!r:example.org',
    '$e:example.org',
  ],
  ...[
    '@alice:example.org',
    '__proto__',
    'constructor',
    'null',
    'true',
    '-1',
    '0',
    '1.5',
    '1e400',
    'NaN',
    '99999999999999999999',
    '9007199254740993',
  ],
  ...['x'.repeat(300), `@${'a'.repeat(300)}:b`, '\uD83D', '../../etc/passwd', '?', 'k51qzi5uqu5d'],
]
/** Text that has a meaning somewhere, and text that has none anywhere. */
export const nastyText = fc.oneof(fc.constantFrom(...nastyTexts), fc.string({ unit: 'binary', maxLength: 40 }))
/** A value of any type. */
export const nastyValue = fc.oneof(
  nastyText,
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 1e300, 2 ** 53, -(2 ** 53), [], {}, [null], [[]], { a: { b: {} } }),
  fc.array(nastyText, { maxLength: 3 }),
  fc.dictionary(nastyText, fc.oneof(nastyText, fc.integer(), fc.constant(null)), { maxKeys: 3 }),
)
const nastyBody = fc.constantFrom(
  ...['', '{', 'null', '[]', '"text"', '1', 'true', '{"a":}', '\u0000', '{"a":1,"a":2}', '{"__proto__":{"polluted":true}}'],
  ...['['.repeat(50_000), `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`, `{"a":"${'x'.repeat(100_000)}"}`],
)

/** Requests that are wrong in one or a few ways, made from one that is right. */
export function badRequests(example: Example): fc.Arbitrary<BadRequest> {
  const ways = [wrongPath(example), wrongQuery(example), wrongMethod(example)]
  if (example.operation.checkRequestBody !== undefined)
    ways.push(wrongBody(example), wrongBody(example), wrongMember(example), wrongMember(example))
  return fc.oneof(...ways)
}

function wrongPath(example: Example): fc.Arbitrary<BadRequest> {
  const steps = example.path.split('/')
  const places = example.operation.path.split('/').flatMap((step, index) => (step.startsWith('{') ? [index] : []))
  if (places.length === 0) return fc.constant(requestOf(example, 'the path goes on', { path: `${example.path}/more` }))
  return fc.tuple(fc.constantFrom(...places), nastyText).map(([place, text]) => {
    const changed = steps.with(place, encoded(text))
    return requestOf(example, 'a part of the path', { path: changed.join('/') })
  })
}

function wrongQuery(example: Example): fc.Arbitrary<BadRequest> {
  const names = example.operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
  const name = fc.constantFrom(...names, 'limit', 'access_token', 'ver')
  return fc.tuple(name, fc.option(fc.array(nastyText, { minLength: 1, maxLength: 3 }), { nil: undefined })).map(([changed, texts]) => {
    const query = new URLSearchParams(example.query)
    query.delete(changed)
    for (const text of texts ?? []) query.append(changed, text.toWellFormed())
    return requestOf(example, `the query's ${changed}`, { query })
  })
}

function wrongMethod(example: Example): fc.Arbitrary<BadRequest> {
  return fc
    .constantFrom(...methods.filter((method) => method !== example.operation.method))
    .map((method) => requestOf(example, 'the method', { method }))
}

function wrongBody(example: Example): fc.Arbitrary<BadRequest> {
  const text = fc.oneof(
    nastyBody,
    nastyValue.map((value) => JSON.stringify(value)),
  )
  return text.map((body) => requestOf(example, 'the whole body', { body }))
}

/** One member of the body, however deep, is another or missing. */
function wrongMember(example: Example): fc.Arbitrary<BadRequest> {
  const places = placesIn(example.body, [])
  if (places.length === 0) return wrongBody(example)
  return fc.tuple(fc.constantFrom(...places), fc.option(nastyValue, { nil: undefined })).map(([place, value]) => {
    const body = JSON.stringify(changedAt(example.body, place, value))
    return requestOf(example, `the body's ${place.join('.')}`, { body })
  })
}

function requestOf(
  { operation, path, query, body }: Example,
  what: string,
  changed: { readonly path?: string; readonly query?: URLSearchParams; readonly method?: string; readonly body?: string },
): BadRequest {
  const parameters = changed.query ?? query
  const method = changed.method ?? operation.method
  const text = changed.body ?? (body === undefined ? undefined : JSON.stringify(body))
  return {
    what,
    method,
    path: `${changed.path ?? path}${parameters.size === 0 ? '' : `?${parameters.toString()}`}`,
    ...(text === undefined || bodyless.has(method) ? {} : { body: text }),
  }
}

/** So that it arrives as it is: a URL has its own opinion of dots. What is no right escape stays none. */
function encoded(text: string): string {
  if (text.startsWith('%')) return text
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E')
  return encodeURIComponent(text.toWellFormed())
}

function placesIn(value: unknown, above: readonly string[]): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => [[...above, name], ...placesIn(member, [...above, name])])
}

function changedAt(value: unknown, place: readonly string[], replacement: unknown): unknown {
  const [name, ...below] = place
  if (name === undefined || typeof value !== 'object' || value === null) return replacement
  const changed: Record<string, unknown> = { ...value }
  const member = below.length === 0 ? replacement : changedAt(changed[name], below, replacement)
  if (member === undefined) delete changed[name]
  else changed[name] = member
  return Array.isArray(value) ? Object.values(changed) : changed
}
