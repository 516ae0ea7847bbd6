import { readFile } from 'node:fs/promises'
import type { AppServiceRegistration } from '@kith/homeserver'
import { RE2JS, RE2JSException } from 're2js'
import * as v from 'valibot'
import { parse, YAMLParseError } from 'yaml'
import { limits } from './limits.ts'

// What is wrong is not shown: it may be the token.
const tokenSchema = v.pipe(v.string('must be a string'), v.regex(/^\S{8,1000}$/, 'must have 8 characters or more, and no spaces'))
const namespacesSchema = v.optional(
  v.nullable(
    v.pipe(
      v.array(v.object({ exclusive: v.boolean(), regex: v.pipe(v.string(), v.maxLength(limits.patternCharactersMax)) })),
      v.maxLength(limits.patternsPerNamespaceMax),
    ),
  ),
)

/** Unknown members are for the service itself, or for other homeservers. */
const registrationSchema = v.object({
  id: v.pipe(v.string(), v.regex(/^[^/|\0]{1,255}$/, 'must have 1 to 255 characters, and neither / nor |')),
  url: v.nullable(v.pipe(v.string(), v.check(isHttpUrl, 'must be an http or https address, or null'))),
  as_token: tokenSchema,
  hs_token: tokenSchema,
  sender_localpart: v.pipe(v.string(), v.regex(/^[a-z0-9._=/+-]+$/, 'must have only what user names may have')),
  namespaces: v.object({ users: namespacesSchema, aliases: namespacesSchema, rooms: namespacesSchema }),
  rate_limited: v.optional(v.boolean(), true),
  protocols: v.optional(
    v.nullable(
      v.pipe(
        v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(limits.protocolNameCharactersMax))),
        v.maxLength(limits.protocolsPerServiceMax),
      ),
    ),
  ),
  receive_ephemeral: v.optional(v.boolean(), false),
  'de.sorunome.msc2409.push_ephemeral': v.optional(v.boolean(), false),
  'org.matrix.msc3202': v.optional(v.boolean(), false),
})

type Registration = v.InferOutput<typeof registrationSchema>

/** The registrations in these files. @throws Error with one line that names the file and what is wrong in it. */
export async function readAppServiceFiles(paths: readonly string[]): Promise<AppServiceRegistration[]> {
  const registrations = await Promise.all(
    paths.map(async (path) => {
      try {
        return parseAppService(await readText(path))
      } catch (error) {
        throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }),
  )
  for (const member of ['id', 'asToken', 'senderLocalpart'] as const) {
    const values = registrations.map((registration) => registration[member])
    const twice = paths[values.findIndex((value, index) => values.indexOf(value) !== index)]
    if (twice !== undefined) throw new Error(`${twice}: ${namesInFile[member]} is the same as in another file`)
  }
  return registrations
}

const namesInFile = { id: 'id', asToken: 'as_token', senderLocalpart: 'sender_localpart' } as const

/** @throws Error with one line that says what is wrong. */
export function parseAppService(text: string): AppServiceRegistration {
  const parsed = v.safeParse(registrationSchema, parseYaml(text))
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new Error(`${v.getDotPath(issue) ?? 'the registration'}: ${issue.message}`)
  }
  const { output } = parsed
  const ephemeral = output['de.sorunome.msc2409.push_ephemeral'] ? 'unstable' : output.receive_ephemeral ? 'stable' : 'none'
  return {
    id: output.id,
    url: output.url ?? undefined,
    asToken: output.as_token,
    hsToken: output.hs_token,
    senderLocalpart: output.sender_localpart,
    namespaces: { users: namespaces(output, 'users'), aliases: namespaces(output, 'aliases'), rooms: namespaces(output, 'rooms') },
    rateLimited: output.rate_limited,
    protocols: output.protocols ?? [],
    ephemeral,
    // Bridges that encrypt mostly sync for these messages. Those that read them in transactions say both.
    toDevice: ephemeral !== 'none' && output['org.matrix.msc3202'],
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path)
  if (bytes.byteLength > limits.registrationBytesMax) throw new Error('the file is too long for a registration')
  return bytes.toString('utf8')
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100 })
  } catch (error) {
    if (error instanceof YAMLParseError) throw new Error(`no YAML: ${error.message.split('\n')[0] ?? ''}`, { cause: error })
    throw error
  }
}

function namespaces(registration: Registration, what: keyof Registration['namespaces']): AppServiceRegistration['namespaces']['users'] {
  return (registration.namespaces[what] ?? []).map(({ exclusive, regex }, index) => {
    const pattern = compile(regex, `namespaces.${what}.${index}.regex`)
    return { exclusive, matches: (id) => pattern.matcher(id).lookingAt() }
  })
}

/** RE2 needs time that grows with the id only, whatever the pattern; what it cannot do in such time, it does not know. */
function compile(regex: string, where: string): RE2JS {
  try {
    const pattern = RE2JS.compile(regex)
    if (pattern.programSize() > limits.patternSizeMax) throw new Error(`${where}: this pattern is too large`)
    return pattern
  } catch (error) {
    if (error instanceof RE2JSException) throw new Error(`${where}: no regular expression of RE2: ${error.message}`, { cause: error })
    throw error
  }
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.search === '' && url.hash === ''
}
