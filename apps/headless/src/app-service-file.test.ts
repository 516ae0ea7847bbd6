import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseAppService, readAppServiceFiles } from './app-service-file.ts'

const whole = `
id: bridge
url: http://127.0.0.1:9000
as_token: a_long_token
hs_token: another_token
sender_localpart: bridge
namespaces:
  users:
    - exclusive: true
      regex: '@net_.*'
  aliases: []
rate_limited: false
protocols: [irc]
receive_ephemeral: true
something.else: 1
`

test('a registration is read as it is written', () => {
  const { namespaces, ...rest } = parseAppService(whole)
  expect(rest).toEqual({
    id: 'bridge',
    url: 'http://127.0.0.1:9000',
    asToken: 'a_long_token',
    hsToken: 'another_token',
    senderLocalpart: 'bridge',
    rateLimited: false,
    protocols: ['irc'],
    ephemeral: 'stable',
    toDevice: false,
  })
  expect([namespaces.users.length, namespaces.aliases, namespaces.rooms]).toEqual([1, [], []])
  expect(['@net_a:x', '@other:x', 'x@net_a'].map((id) => namespaces.users[0]?.matches(id))).toEqual([true, false, false])
  expect(parseAppService(whole.replace('http://127.0.0.1:9000', 'null')).url).toBeUndefined()
  expect(parseAppService(whole.replace('something.else: 1', 'org.matrix.msc3202: true')).toDevice).toBe(true)
  expect(parseAppService(whole.replace('receive_ephemeral: true', 'org.matrix.msc3202: true')).toDevice).toBe(false)
  expect(parseAppService(whole.replace('something.else: 1', 'de.sorunome.msc2409.push_ephemeral: true')).ephemeral).toBe('unstable')
})

test.each([
  ['id: bridge', 'id: 7', /^id: /],
  ['url: http://127.0.0.1:9000', 'url: ftp://x', /^url: must be an http/],
  ['url: http://127.0.0.1:9000', '', /^url: /],
  ['as_token: a_long_token', 'as_token: short', /^as_token: must have/],
  ['as_token: a_long_token', 'as_token: 1234567890', /^as_token: must be a string$/],
  ['sender_localpart: bridge', 'sender_localpart: Bridge', /^sender_localpart: must have/],
  ["regex: '@net_.*'", "regex: '@(a'", /^namespaces\.users\.0\.regex: no regular expression of RE2/],
  ["regex: '@net_.*'", "regex: '@(?=a)'", /^namespaces\.users\.0\.regex: no regular expression of RE2/],
  ["regex: '@net_.*'", "regex: '@((a{1,100}){1,100}){1,100}'", /^namespaces\.users\.0\.regex: /],
  ['exclusive: true', 'exclusive: perhaps', /^namespaces\.users\.0\.exclusive: /],
  ['namespaces:', 'namespaces: [', /^no YAML: /],
])('what is wrong is said in one line: %s as %s', (right, wrong, message) => {
  const parse = (): unknown => parseAppService(whole.replace(right, wrong))
  expect(parse).toThrow(message)
  expect(parse).not.toThrow(/\n/)
})

test('no pattern takes longer than its text is long', () => {
  const { namespaces } = parseAppService(whole.replace('@net_.*', '@(a+)+$'))
  expect(namespaces.users[0]?.matches(`@${'a'.repeat(5_000)}!`)).toBe(false)
})

test('files that cannot be read, or that say the same, are named', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kith-app-service-'))
  await using cleanUp = new AsyncDisposableStack()
  cleanUp.defer(async () => rm(directory, { recursive: true }))
  const [one, two] = [join(directory, 'one.yaml'), join(directory, 'two.yaml')]
  await writeFile(one, whole)
  await writeFile(two, whole.replace('id: bridge', 'id: two'))
  expect((await readAppServiceFiles([one])).map(({ id }) => id)).toEqual(['bridge'])
  await expect(readAppServiceFiles([one, two])).rejects.toThrow(`${two}: as_token is the same as in another file`)
  await expect(readAppServiceFiles([join(directory, 'none.yaml')])).rejects.toThrow(/none\.yaml: ENOENT/)
})
