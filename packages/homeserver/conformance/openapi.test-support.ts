import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../../../../shared/matrix-spec/data/api/', import.meta.url))
const errorSchemaFile = join(root, 'client-server/definitions/errors/error.yaml')
const challengeSchemaFile = join(root, 'client-server/definitions/auth_response.yaml')

/** The two APIs that the data describes and Kith speaks. */
export type ApiName = 'client-server' | 'server-server'

/** A parsed document of the data, of any shape. */
type Node = { readonly [member: string]: unknown }

/** What is wrong with a value, each with its place in it; empty when nothing is. */
export type Check = (value: unknown) => string[]

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly type: string
  readonly schema: JsonSchema
  readonly check: Check
}

/** A schema of the data with its references resolved. */
export type JsonSchema = Readonly<Record<string, unknown>>

export interface ResponseShape {
  /** Undefined where the data gives no schema for JSON. */
  readonly check: Check | undefined
  readonly contentTypes: readonly string[]
  /** Names in lower case. */
  readonly requiredHeaders: readonly string[]
}

/** One operation of an API, as the specification's data has it. */
export interface Operation {
  readonly id: string
  readonly method: string
  /** From the root, with `{name}` for parameters. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Of a body of JSON; undefined: there is none, or one of another kind. */
  readonly bodySchema: JsonSchema | undefined
  readonly checkRequestBody: Check | undefined
  /** By status. */
  readonly responses: ReadonlyMap<number, ResponseShape>
  readonly auth: 'required' | 'optional' | 'none'
}

/** Two schemas of the identity API, which is not part of the data beside the tree. */
const validationRequest = {
  client_secret: { type: 'string', maxLength: 255 },
  send_attempt: { type: 'integer' },
  next_link: { type: 'string', format: 'uri' },
}
const elsewhere: Readonly<Record<string, Node>> = {
  'request_email_validation.yaml': {
    type: 'object',
    properties: { ...validationRequest, email: { type: 'string' } },
    required: ['client_secret', 'email', 'send_attempt'],
  },
  'request_msisdn_validation.yaml': {
    type: 'object',
    properties: { ...validationRequest, country: { type: 'string' }, phone_number: { type: 'string' } },
    required: ['client_secret', 'country', 'phone_number', 'send_attempt'],
  },
}

const loaded = new Map<string, Node>()
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { int64: Number.isSafeInteger, uri: true, email: true } })
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
export const checkError: Check = compile(inlined(errorSchemaFile, load(errorSchemaFile)) as JsonSchema)

/** The challenge of User-Interactive Authentication. */
export const checkChallenge: Check = compile(inlined(challengeSchemaFile, load(challengeSchemaFile)) as JsonSchema)

/** All operations of an API. */
export function loadOperations(api: ApiName = 'server-server'): Operation[] {
  const folder = join(root, api)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => operationsOf(join(folder, name)))
}

/** Checks of the content of events, by type. */
export function loadEventContents(): ReadonlyMap<string, Check> {
  const folder = join(root, '../event-schemas/schema')
  const files = readdirSync(folder).filter((name) => name.startsWith('m.') && name.endsWith('.yaml') && !name.includes('$'))
  return new Map(
    files.flatMap((name) => {
      const schema = inlined(join(folder, name), load(join(folder, name))) as { readonly properties?: { readonly content?: JsonSchema } }
      const content = schema.properties?.content
      return content === undefined ? [] : [[name.slice(0, -'.yaml'.length), compile(content)] as const]
    }),
  )
}

/** Every errcode that the texts of the client-server data name. */
export function errcodesOfData(): ReadonlySet<string> {
  const folder = join(root, 'client-server')
  const texts = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
  return new Set(texts.flatMap((text) => text.match(/\bM_[A-Z0-9_]+\b/g) ?? []))
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
    ([status, response]) => [Number(status), responseShapeOf(response)] as const,
  )
  const bodySchema = jsonSchemaOf(operation['requestBody'] as Node | undefined)
  return {
    id: operation['operationId'] as string,
    method: method.toUpperCase(),
    path,
    parameters: ((operation['parameters'] ?? []) as Node[]).map(parameterOf),
    bodySchema,
    checkRequestBody: bodySchema === undefined ? undefined : compile(bodySchema),
    responses: new Map(responses),
    auth: authOf(operation['security'] as readonly Node[] | undefined),
  }
}

function responseShapeOf(raw: Node): ResponseShape {
  const schema = jsonSchemaOf(raw)
  const headers = Object.entries((raw['headers'] ?? {}) as Record<string, Node>)
  return {
    check: schema === undefined ? undefined : compile(schema),
    contentTypes: Object.keys(raw['content'] ?? {}),
    requiredHeaders: headers.filter(([, header]) => header['required'] === true).map(([name]) => name.toLowerCase()),
  }
}

function authOf(security: readonly Node[] | undefined): Operation['auth'] {
  if (security === undefined) return 'none'
  return security.some((way) => Object.keys(way).length === 0) ? 'optional' : 'required'
}

function parameterOf(raw: Node): Parameter {
  const schema = (raw['schema'] ?? {}) as JsonSchema
  return {
    name: raw['name'] as string,
    in: raw['in'] as Parameter['in'],
    required: raw['required'] === true,
    type: (schema['type'] as string | undefined) ?? 'string',
    schema,
    check: compile(schema),
  }
}

function jsonSchemaOf(carrier: Node | undefined): JsonSchema | undefined {
  const content = carrier?.['content'] as Record<string, { schema?: JsonSchema }> | undefined
  return content?.['application/json']?.schema
}

/** Compiled when it is needed: most of the data's schemas are of errors that nobody sees. */
function compile(schema: JsonSchema): Check {
  let validate: ValidateFunction | undefined
  return (value) => {
    validate ??= ajv.compile(schema)
    if (validate(value)) return []
    return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
  }
}

function load(file: string): Node {
  if (file.includes('/identity/definitions/')) return elsewhere[basename(file)] ?? {}
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
