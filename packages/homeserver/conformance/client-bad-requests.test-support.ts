import type { Example } from './bad-requests.test-support.ts'
import { wrongBodies } from './client-wrong-bodies.test-support.ts'
import { bodyOf, urlOf, type WrongRequest } from './client-wrong-request.test-support.ts'

const wrongParameter: readonly string[] = ['400 M_INVALID_PARAM', '400 M_MISSING_PARAM']
/** What an id of nothing is answered with: whether it is none, or one of something that is not there, is for the operation to say. */
const wrongId: readonly string[] = ['400 M_INVALID_PARAM', '403 M_FORBIDDEN', '404 M_NOT_FOUND']

const nothings = ['x', '@', '!', '$', '#', '@a', '!:', '$:', '\u0000', '💥', 'x'.repeat(5_000), '@a:b:c:d']
const idFormats: ReadonlySet<unknown> = new Set(['mx-user-id', 'mx-room-id', 'mx-event-id', 'mx-room-alias'])
/** Some parameters are JSON. */
const jsonTexts = [
  '{',
  '[]',
  'null',
  '{"room":7,"limit":"x","types":{}}',
  `${'{"room":'.repeat(3_000)}1${'}'.repeat(3_000)}`,
  '{"limit":1e400}',
]
/** Right ids of what nobody here knows. */
const strangers: Readonly<Record<string, string>> = {
  'mx-user-id': '@nobody:example.org',
  'mx-room-id': `!${'A'.repeat(43)}`,
  'mx-event-id': `$${'A'.repeat(43)}`,
  'mx-room-alias': '#nothing:example.org',
}
/** No right escapes, so no paths of the table. */
const rubbish = ['%', '%ZZ', '%FF', '%C3%28', '%u0041']

/** Every way of being wrong that the specification's data of the operation tells of. */
export function wrongRequests(example: Example): WrongRequest[] {
  return [...wrongPaths(example), ...wrongQueries(example), ...wrongBodies(example)]
}

function wrongPaths(example: Example): WrongRequest[] {
  const steps = example.path.split('/')
  const names = example.operation.path.split('/')
  return names.flatMap((name, place) => {
    if (!name.startsWith('{')) return []
    const parameter = example.operation.parameters.find((known) => `{${known.name}}` === name)
    const withStep = (step: string): string => urlOf(steps.with(place, step).join('/'), example.query)
    const format = parameter?.schema['format']
    const isId = idFormats.has(format)
    return [
      ...(typeof format === 'string' && format in strangers
        ? [
            {
              what: `${name} is of nothing`,
              path: withStep(encodeURIComponent(strangers[format] ?? '')),
              ...bodyOf(example),
              expected: undefined,
            },
          ]
        : []),
      ...nothings.map((text) => ({
        what: `${name} is ${text.slice(0, 10)}`,
        path: withStep(encodeURIComponent(text)),
        ...bodyOf(example),
        expected: isId ? wrongId : undefined,
      })),
      ...rubbish.map((text) => ({
        what: `${name} is ${text}`,
        path: withStep(text),
        ...bodyOf(example),
        expected: ['404 M_UNRECOGNIZED'],
      })),
    ]
  })
}

function wrongQueries(example: Example): WrongRequest[] {
  return example.operation.parameters.flatMap((parameter) => {
    if (parameter.in !== 'query') return []
    const { name, required, schema, type } = parameter
    const changed = (what: string, texts: readonly string[], expected: readonly string[] | undefined): WrongRequest => {
      const query = new URLSearchParams(example.query)
      query.delete(name)
      for (const text of texts) query.append(name, text)
      return { what: `the query's ${name} ${what}`, path: urlOf(example.path, query), ...bodyOf(example), expected }
    }
    const wrong = type === 'integer' ? ['x', '1.5', '', '1e3', '99999999999999999999'] : ['', '\u0000💥', 'x'.repeat(5_000)]
    const isChecked = type === 'integer' || Array.isArray(schema['enum'])
    return [
      ...(required ? [changed('is missing', [], wrongParameter)] : []),
      ...wrong.map((text) => changed(`is ${text.slice(0, 10)}`, [text], isChecked ? wrongParameter : undefined)),
      ...(type === 'string' ? jsonTexts.map((text) => changed(`is ${text.slice(0, 10)}`, [text], undefined)) : []),
      changed('comes twice', [example.query.get(name) ?? '1', 'x'], undefined),
    ]
  })
}
