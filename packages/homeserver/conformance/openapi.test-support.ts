import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { parse } from 'yaml'

const folder = fileURLToPath(new URL('../../../../shared/matrix-spec/data/api/server-server/', import.meta.url))
const errorSchemaFile = join(folder, '../client-server/definitions/errors/error.yaml')

/** A parsed document of the data, of any shape. */
type Node = { readonly [member: string]: unknown }

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly type: string
  readonly check: ValidateFunction
}

/** One operation of the server-server API, as the specification's data has it. */
export interface Operation {
  readonly id: string
  readonly method: string
  /** From the root, with `{name}` for parameters. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Undefined: no body. */
  readonly checkRequestBody: ValidateFunction | undefined
  /** By status; undefined where the data gives no schema for JSON. */
  readonly responses: ReadonlyMap<number, ValidateFunction | undefined>
}

const loaded = new Map<string, Node>()
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { int64: Number.isSafeInteger, uri: true } })
const idFormats = {
  'mx-user-id': /^@[^:]*:.+$/,
  'mx-room-id': /^!.+$/,
  'mx-room-alias': /^#[^:]*:.+$/,
  'mx-event-id': /^\$.+$/,
  'mx-server-name': /^[A-Za-z0-9.:[\]-]+$/,
  'mx-mxc-uri': /^mxc:\/\/[^/]+\/[A-Za-z0-9_-]+$/,
  'mx-unpadded-base64': /^[A-Za-z0-9+/_-]*$/,
}
for (const [name, pattern] of Object.entries(idFormats)) ajv.addFormat(name, pattern)

/** The body of every error. */
export const checkError: ValidateFunction = ajv.compile(inlined(errorSchemaFile, load(errorSchemaFile)) as object)

/** All operations of the data. */
export function loadOperations(): Operation[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => operationsOf(join(folder, name)))
}

function operationsOf(file: string): Operation[] {
  const document = load(file)
  const [server] = document['servers'] as [{ variables: { basePath: { default: string } } }]
  const { basePath } = server.variables
  return Object.entries(document['paths'] as Record<string, Record<string, Node>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationOf(file, method, `${basePath.default}${path.trim()}`, operation)),
  )
}

function operationOf(file: string, method: string, path: string, raw: Node): Operation {
  const operation = inlined(file, raw) as Node
  const responses = Object.entries(operation['responses'] as Record<string, Node>).map(
    ([status, response]) => [Number(status), compile(jsonSchemaOf(response))] as const,
  )
  return {
    id: operation['operationId'] as string,
    method: method.toUpperCase(),
    path,
    parameters: ((operation['parameters'] ?? []) as Node[]).map(parameterOf),
    checkRequestBody: compile(jsonSchemaOf(operation['requestBody'] as Node | undefined)),
    responses: new Map(responses),
  }
}

function parameterOf(raw: Node): Parameter {
  const schema = (raw['schema'] ?? {}) as Node
  return {
    name: raw['name'] as string,
    in: raw['in'] as 'path' | 'query',
    required: raw['required'] === true,
    type: (schema['type'] as string | undefined) ?? 'string',
    check: ajv.compile(schema),
  }
}

function jsonSchemaOf(carrier: Node | undefined): object | undefined {
  const content = carrier?.['content'] as Record<string, { schema?: object }> | undefined
  return content?.['application/json']?.schema
}

function compile(schema: object | undefined): ValidateFunction | undefined {
  return schema === undefined ? undefined : ajv.compile(schema)
}

function load(file: string): Node {
  let document = loaded.get(file)
  if (document === undefined) loaded.set(file, (document = parse(readFileSync(file, 'utf8')) as Node))
  return document
}

/** The same with every reference replaced by what it refers to; examples are left out, because references in them go astray. */
function inlined(file: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => inlined(file, item))
  if (typeof value !== 'object' || value === null) return value
  const { $ref: reference, ...rest } = value as Node
  const own = Object.fromEntries(
    Object.entries(rest).flatMap(([name, member]) => (name === 'example' || name === 'examples' ? [] : [[name, inlined(file, member)]])),
  )
  if (typeof reference !== 'string') return withoutOrigin(own)
  const [path = '', pointer = ''] = reference.split('#')
  const target = path === '' ? file : resolve(dirname(file), path)
  let found: unknown = load(target)
  for (const step of pointer.split('/').filter((part) => part !== '')) found = (found as Node)[step]
  if (found === undefined) throw new Error(`${file} refers to ${reference}, which is not there`)
  return withoutOrigin({ ...(inlined(target, found) as object), ...own })
}

/**
 * Membership events need no `origin`: it was in events once, is redacted from room version 11 on, and nobody reads it. The data still asks for it.
 */
function withoutOrigin(schema: Node): Node {
  const { required } = schema
  if (!Array.isArray(required) || !required.includes('origin') || !required.includes('state_key')) return schema
  return { ...schema, required: required.filter((member) => member !== 'origin') }
}
