import fc from 'fast-check'
import { type BadRequest, type Example, nastyText, nastyValue } from './bad-requests.test-support.ts'
import { urlOf } from './client-wrong-request.test-support.ts'
import { mergedSchema, typesOf } from './json-schemas.test-support.ts'
import type { JsonSchema } from './openapi.test-support.ts'

const DEPTH_MAX = 5
/** One member in so many is of any type. */
const RIGHT_TO_WRONG = 12

/** Requests whose bodies are made from the operation's schema alone: nearly right, and of whatever meaning. */
export function schemaRequests(example: Example & { readonly operation: { readonly bodySchema: JsonSchema } }): fc.Arbitrary<BadRequest> {
  const { operation, path, query } = example
  return valueOf(operation.bodySchema, example.body, 0).map((body) => ({
    what: 'a body of the schema',
    method: operation.method,
    path: urlOf(path, query),
    body: JSON.stringify(body) ?? '{}',
  }))
}

/** `known`: what the example has there, which is right in more than its type. */
function valueOf(schema: JsonSchema, known: unknown, depth: number): fc.Arbitrary<unknown> {
  const right = [rightValueOf(schema, known, depth), ...(known === undefined ? [] : [fc.constant(known)])]
  return fc.oneof(...right.map((arbitrary) => ({ arbitrary, weight: RIGHT_TO_WRONG })), { arbitrary: nastyValue, weight: 1 })
}

function rightValueOf(schema: JsonSchema, known: unknown, depth: number): fc.Arbitrary<unknown> {
  const choices = schema['enum']
  if (Array.isArray(choices)) return fc.constantFrom(...(choices as unknown[]))
  const [type] = typesOf(schema)
  if (type === undefined || depth > DEPTH_MAX) return nastyValue
  switch (type) {
    case 'string':
      return nastyText
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 53 - 1, -(2 ** 53) + 1))
    case 'array':
      return fc.array(valueOf((schema['items'] ?? {}) as JsonSchema, Array.isArray(known) ? known[0] : undefined, depth + 1), {
        maxLength: 3,
      })
    default:
      return objectOf(schema, known, depth)
  }
}

function objectOf(schema: JsonSchema, known: unknown, depth: number): fc.Arbitrary<object> {
  const { properties, required, additional } = mergedSchema(schema)
  const example = (typeof known === 'object' && known !== null ? known : {}) as Readonly<Record<string, unknown>>
  const declared = Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, valueOf(member, example[name], depth + 1)]))
  const names = Object.keys(example).filter((name) => !(name in properties))
  const others = fc.dictionary(
    names.length === 0 ? nastyText : fc.oneof(fc.constantFrom(...names), nastyText),
    additional === undefined ? nastyValue : valueOf(additional, names[0] === undefined ? undefined : example[names[0]], depth + 1),
    { maxKeys: 3 },
  )
  const optional = fc.record(declared, { requiredKeys: required.filter((name) => name in declared) })
  return fc.tuple(others, optional).map(([rest, members]) => ({ ...rest, ...members }))
}
