import type { JsonSchema } from './openapi.test-support.ts'

/** The types that a schema, or those that it consists of, allows. */
export function typesOf(schema: JsonSchema): string[] {
  const { type, allOf, anyOf, oneOf } = schema
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.map(String)
  const parts = [allOf, anyOf, oneOf].find((list) => Array.isArray(list)) as readonly JsonSchema[] | undefined
  return (parts ?? []).flatMap(typesOf)
}

/** The members that a schema and those that it consists of declare. */
export function mergedSchema(schema: JsonSchema): {
  readonly properties: Readonly<Record<string, JsonSchema>>
  readonly required: readonly string[]
  readonly additional: JsonSchema | undefined
} {
  const parts = ((schema['allOf'] ?? []) as readonly JsonSchema[]).map(mergedSchema)
  const {
    properties,
    required,
    additionalProperties: additional,
  } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>
    readonly required?: readonly string[]
    readonly additionalProperties?: JsonSchema | boolean
  }
  return {
    properties: Object.assign({}, ...parts.map((part) => part.properties), properties) as Readonly<Record<string, JsonSchema>>,
    required: [...parts.flatMap((part) => part.required), ...(required ?? [])],
    additional: typeof additional === 'object' ? additional : parts.find((part) => part.additional !== undefined)?.additional,
  }
}
