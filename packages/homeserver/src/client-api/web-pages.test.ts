import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { TestNode, type TestUser } from './test-node.test-support.ts'

const password = 'correct horse'
const {
  passwordFailures,
  passwordFailuresPerUser,
  passwordFailuresOfStrangersPerUser: ofStrangers,
  registrationTokenChecks,
  registrationTokenChecksOfPages,
  interactiveSessionsMax,
} = limits.implementation
let node: TestNode
let owner: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  owner = await node.register('owner', password)
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const stranger = 'https://stranger.example'
const client = 'https://client.example'

/** A request as a browser makes it for a page of that origin. */
async function fromPage(origin: string, method: string, path: string, body: object, at = node): Promise<number> {
  const request = new Request(`http://node.test/_matrix/client/${path}`, { method, headers: { origin }, body: JSON.stringify(body) })
  return (await at.clientApi(request)).status
}

const login = (given: string) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: 'owner' }, password: given })
const logIn = async (origin: string, given = password): Promise<number> => fromPage(origin, 'POST', 'v3/login', login(given))

test('a page that guesses passwords uses up its own attempts, and nobody else’s', async () => {
  for (let count = 0; count < passwordFailuresPerUser.burst; count++) expect(await logIn(stranger, 'wrong')).toBe(403)
  expect(await logIn(stranger)).toBe(429)
  expect(await logIn(client)).toBe(200)
  expect(await node.call('POST', '/login', login(password))).toMatchObject({ status: 200 })
})

test('pages of ever new origins share their attempts, and hold up no page on which the user logged in, nor programs', async () => {
  expect(await logIn(client)).toBe(200)
  for (let count = 0; count < ofStrangers.burst; count++) await logIn(`https://${count}.stranger.example`, 'wrong')
  expect(await logIn('https://another.stranger.example')).toBe(429)
  expect(await logIn(client)).toBe(200)
  expect(await node.call('POST', '/login', login(password))).toMatchObject({ status: 200 })
})

test('nor have pages of ever new origins more attempts at many users', async () => {
  const users = Math.ceil(passwordFailures.burst / ofStrangers.burst)
  for (let user = 0; user < users; user++) {
    await node.register(`user${user}`, password)
    for (let count = 0; count < ofStrangers.burst; count++) {
      const body = { ...login('wrong'), identifier: { type: 'm.id.user', user: `user${user}` } }
      await fromPage(`https://${count}.stranger.example`, 'POST', 'v3/login', body)
    }
  }
  expect(await logIn('https://another.stranger.example')).toBe(429)
  expect(await node.call('POST', '/login', login(password))).toMatchObject({ status: 200 })
})

test('who has a session confirms with the password whatever others try', async () => {
  for (let count = 0; count < passwordFailuresPerUser.burst; count++) await node.call('POST', '/login', login('wrong'))
  expect(await node.call('POST', '/login', login(password))).toMatchObject({ status: 429 })
  const { session } = (await owner.call('DELETE', '/devices/OLD', {})).body
  await owner.ok('DELETE', '/devices/OLD', { auth: { ...login(password), session } })
})

test('a user who guesses another’s password is a stranger to that one, with however many devices', async () => {
  const mallory = await node.register('mallory', 'other')
  const guess = async (): Promise<number> => (await mallory.call('DELETE', '/devices/OLD', { auth: login('wrong') })).status
  for (let count = 0; count < passwordFailuresPerUser.burst; count++) expect(await guess()).toBe(401)
  expect(await guess()).toBe(429)
  expect(await logIn(client)).toBe(200)
})

test('whoever begins too many interactive sessions loses their own', async () => {
  const { session } = (await owner.call('DELETE', '/devices/OLD', {})).body
  const { session: ofProgram } = (await node.call('POST', '/register', { username: 'friend' })).body
  for (let count = 0; count <= interactiveSessionsMax; count++) await fromPage(stranger, 'POST', 'v3/register', {})
  await owner.ok('DELETE', '/devices/OLD', { auth: { ...login(password), session } })
  const auth = { type: 'm.login.dummy', session: ofProgram }
  expect(await node.call('POST', '/register', { username: 'friend', auth })).toMatchObject({ status: 200 })
})

test('a page that tries out registration tokens keeps nobody from registering', async () => {
  await using guarded = await TestNode.start({ registrationTokens: ['sesame'] })
  const auth = { type: 'm.login.registration_token', token: 'guess' }
  for (let count = 0; count < registrationTokenChecks.burst; count++) await fromPage(stranger, 'POST', 'v3/register', { auth }, guarded)
  expect(await fromPage(stranger, 'POST', 'v3/register', { auth }, guarded)).toBe(429)
  expect(await guarded.call('POST', '/register', { username: 'owner', auth: { ...auth, token: 'sesame' } })).toMatchObject({ status: 200 })
})

test('nor do pages of ever new origins try out as many as they like', async () => {
  await using guarded = await TestNode.start({ registrationTokens: ['sesame'] })
  const auth = { type: 'm.login.registration_token', token: 'guess' }
  for (let count = 0; count < registrationTokenChecksOfPages.burst; count++)
    expect(await fromPage(`https://${count}.stranger.example`, 'POST', 'v3/register', { auth }, guarded)).toBe(401)
  expect(await fromPage('https://another.stranger.example', 'POST', 'v3/register', { auth }, guarded)).toBe(429)
  expect(await guarded.call('POST', '/register', { username: 'owner', auth: { ...auth, token: 'sesame' } })).toMatchObject({ status: 200 })
})

test('a page cannot pass for a program by leaving its origin out', async () => {
  const validity = async (headers: Record<string, string>): Promise<number> => {
    const url = 'http://node.test/_matrix/client/v1/register/m.login.registration_token/validity?token=guess'
    return (await node.clientApi(new Request(url, { headers }))).status
  }
  for (let count = 0; count < registrationTokenChecks.burst; count++) await validity({ 'sec-fetch-site': 'cross-site' })
  expect(await validity({ 'sec-fetch-site': 'cross-site' })).toBe(429)
  expect(await validity({})).toBe(200)
})
