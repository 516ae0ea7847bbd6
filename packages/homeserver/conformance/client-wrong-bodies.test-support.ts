import { limits } from '../src/limits.ts'
import type { Example } from './bad-requests.test-support.ts'
import { bodyOf, urlOf, type WrongRequest, wrongShape } from './client-wrong-request.test-support.ts'
import { endpointOf } from './client-coverage.test-support.ts'
import { mergedSchema, typesOf } from './json-schemas.test-support.ts'
import type { JsonSchema } from './openapi.test-support.ts'

const noJson = ['{', '{"a":}', 'nonsense', '\u0000', '{"a":1,}', "{'a':1}"]
const noObjects = ['[]', '"text"', 'null', '1', 'true', '[{}]']
const { clientBodyBytesMax, jsonDepthMax } = limits.implementation

/** What canonical JSON cannot hold. */
const uncanonical = [
  '1.5',
  '1e400',
  '-1e400',
  '9007199254740993',
  '-9007199254740993',
  '{"deep":[{"n":0.1}]}',
  '"\\ud800"',
  '{"\\udfff":1}',
]
/** Operations whose bodies, as a whole, are signed or told to other servers. */
const isSigned: ReadonlySet<string> = new Set(['sendMessage', 'setRoomStateWithKey', 'setProfileField', 'defineFilter'])

/** Bodies that are no JSON, no object, too large or too deep, and those that the operation's own schema is against. */
export function wrongBodies(example: Example): WrongRequest[] {
  const { operation, path, query } = example
  if (operation.bodySchema === undefined) return []
  const wrong = (what: string, body: string, expected: readonly string[] | undefined): WrongRequest => ({
    what,
    path: urlOf(path, query),
    body,
    expected,
  })
  const right = bodyOf(example).body ?? '{}'
  return [
    ...noJson.map((text) => wrong(`the body is ${text}`, text, ['400 M_NOT_JSON'])),
    ...noObjects.map((text) => wrong(`the body is ${text}`, text, ['400 M_BAD_JSON'])),
    wrong('the body is too deep', `${'{"a":'.repeat(jsonDepthMax + 1)}1${'}'.repeat(jsonDepthMax + 1)}`, ['400 M_BAD_JSON']),
    wrong('the body is endless arrays', '['.repeat(50_000), ['400 M_BAD_JSON']),
    wrong('the body is too large', tooLarge(operation), ['413 M_TOO_LARGE']),
    wrong('the body has unsafe names', '{"__proto__":{"a":1},"constructor":1,"toString":null}', undefined),
    { ...wrong('the body says that it is text', right, undefined), headers: { 'content-type': 'text/plain' } },
    { ...wrong('the body says that it is a form', right, undefined), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ...uncanonical.map((text) =>
      wrong(`a member is ${text}`, withMember(right, text), isSigned.has(operation.id) ? ['400 M_BAD_JSON'] : undefined),
    ),
    ...wrongMembers(operation.bodySchema, example.body ?? {}, []).map(({ what, body, expected }) =>
      wrong(what, JSON.stringify(body), expected),
    ),
  ]
}

function tooLarge(operation: Example['operation']): string {
  return `{"a":"${'x'.repeat(endpointOf(operation)?.bodyBytesMax ?? clientBodyBytesMax)}"}`
}

interface WrongMember {
  readonly what: string
  readonly body: unknown
  readonly expected: readonly string[] | undefined
}

/** One member is of another type than its schema says, or is missing though it is required; the others are as in the example. */
function wrongMembers(schema: JsonSchema, value: unknown, above: readonly string[]): WrongMember[] {
  if (typeof value !== 'object' || value === null || above.length > 4) return []
  if (Array.isArray(value)) return inArray(schema, value, above)
  const whole = mergedSchema(schema)
  const members = value as Readonly<Record<string, unknown>>
  const missing = whole.required
    .filter((name) => name in members)
    .map((name) => ({ what: `${[...above, name].join('.')} is missing`, body: without(members, name), expected: wrongShape }))
  const declared = Object.entries(whole.properties).flatMap(([name, member]) => [
    ...wrongValues(member).map(({ value: wrong, isClear }) => ({
      what: `${[...above, name].join('.')} is ${JSON.stringify(wrong)}`,
      body: { ...members, [name]: wrong },
      expected: isClear ? wrongShape : undefined,
    })),
    ...within(wrongMembers(member, members[name], [...above, name]), (body) => ({ ...members, [name]: body })),
  ])
  const others = Object.entries(members).filter(([name]) => !(name in whole.properties))
  const undeclared = whole.additional === undefined ? [] : others.flatMap(([name]) => inMap(whole.additional ?? {}, members, name, above))
  return [...missing, ...declared, ...undeclared]
}

function inMap(schema: JsonSchema, members: Readonly<Record<string, unknown>>, name: string, above: readonly string[]): WrongMember[] {
  const wrong = wrongValues(schema).map(({ value, isClear }) => ({
    what: `${[...above, '*'].join('.')} is ${JSON.stringify(value)}`,
    body: { ...members, [name]: value },
    expected: isClear ? wrongShape : undefined,
  }))
  return [...wrong, ...within(wrongMembers(schema, members[name], [...above, '*']), (body) => ({ ...members, [name]: body }))]
}

function inArray(schema: JsonSchema, items: readonly unknown[], above: readonly string[]): WrongMember[] {
  const itemSchema = schema['items']
  if (typeof itemSchema !== 'object' || itemSchema === null || items.length === 0) return []
  const wrong = wrongValues(itemSchema as JsonSchema).map(({ value, isClear }) => ({
    what: `${[...above, '0'].join('.')} is ${JSON.stringify(value)}`,
    body: [value, ...items.slice(1)],
    expected: isClear ? wrongShape : undefined,
  }))
  const deeper = wrongMembers(itemSchema as JsonSchema, items[0], [...above, '0'])
  return [...wrong, ...within(deeper, (body) => [body, ...items.slice(1)])]
}

function within(found: readonly WrongMember[], wrap: (body: unknown) => unknown): WrongMember[] {
  return found.map((member) => ({ ...member, body: wrap(member.body) }))
}

const valuesOfOtherTypes: Readonly<Record<string, readonly unknown[]>> = {
  string: [7, true, {}, ['x']],
  integer: ['x', true, {}, [1]],
  number: ['x', true, {}, [1]],
  boolean: ['maybe', 7, {}, []],
  object: ['x', 7, true, ['x']],
  array: ['x', 7, true, { a: 1 }],
}

/** Values of other types than the schema's. `isClear`: nobody could take it for something right. */
function wrongValues(schema: JsonSchema): { readonly value: unknown; readonly isClear: boolean }[] {
  const types = new Set(typesOf(schema))
  if (types.size === 0) return [{ value: null, isClear: false }]
  const isNumber = types.has('integer') || types.has('number')
  const others = Object.entries(valuesOfOtherTypes)
    .filter(([type]) => types.has(type))
    .flatMap(([, values]) => values)
    .filter((value) => !types.has(typeOf(value)) && !(isNumber && typeof value === 'number'))
  // Null often stands for absence, and what a fraction or a negative number means is for the operation to say.
  const unclear = [
    null,
    ...(isNumber ? [-1, 1.5, 1e300, Number.MAX_SAFE_INTEGER + 2] : []),
    ...(types.has('string') ? ['', 'x'.repeat(70_000)] : []),
  ]
  return [...others.map((value) => ({ value, isClear: true })), ...unclear.map((value) => ({ value, isClear: false }))]
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
}

function without(members: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([other]) => other !== name))
}

function withMember(body: string, text: string): string {
  return body === '{}' ? `{"org.example":${text}}` : `{"org.example":${text},${body.slice(1)}`
}
