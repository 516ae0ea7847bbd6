import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { Appservice, AutojoinRoomsMixin, type IAppserviceRegistration, SimpleRetryJoinStrategy } from 'matrix-bot-sdk'
import { expect, test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { freePort } from './free-port.ts'
import { createServer } from './headless-constellation.ts'

function registrationAt(port: number): IAppserviceRegistration {
  return {
    id: 'echo',
    url: `http://127.0.0.1:${port}`,
    as_token: 'the-token-of-the-service',
    hs_token: 'the-token-of-the-homeserver',
    sender_localpart: 'echo',
    namespaces: {
      users: [{ exclusive: true, regex: '@echo_.*' }],
      aliases: [{ exclusive: true, regex: '#echo_.*' }],
      rooms: [],
    },
    protocols: ['echo'],
    rate_limited: false,
  }
}

interface Heard {
  readonly eventId: string
  readonly body: string
}

/** A bridge made of an unmodified framework: it makes its users and rooms when asked, joins where it is invited, and remembers what it hears. */
async function startBridge(registration: IAppserviceRegistration, port: number, homeserver: string, serverName: string) {
  const heard: Heard[] = []
  const bridge = new Appservice({
    port,
    bindAddress: '127.0.0.1',
    homeserverName: serverName,
    homeserverUrl: homeserver,
    registration,
    joinStrategy: new SimpleRetryJoinStrategy(),
  })
  AutojoinRoomsMixin.setupOnAppservice(bridge)
  bridge.on('query.user', (_userId: string, create: (profile: object) => void) => create({ display_name: 'An echo' }))
  bridge.on('query.room', (_alias: string, create: (room: object) => void) => create({ preset: 'public_chat', name: 'The canyon' }))
  bridge.on('thirdparty.protocol', (_name: string, answer: (protocol: object) => void) =>
    answer({
      user_fields: [],
      location_fields: [],
      icon: '',
      field_types: {},
      instances: [{ network_id: 'n', desc: 'Echoes', fields: {} }],
    }),
  )
  bridge.on('room.message', (_roomId: string, event: { event_id: string; content: { body: string } }) => {
    heard.push({ eventId: event.event_id, body: event.content.body })
  })
  await bridge.begin()
  return { bridge, heard, [Symbol.asyncDispose]: async () => bridge.stop() }
}

test('a bridge of matrix-bot-sdk makes users and rooms, hears what is said, also what was said while it or the node was away', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'kith-app-service-'))
  cleanUp.defer(async () => rm(directory, { recursive: true, force: true }))
  const port = await freePort()
  const registration = registrationAt(port)
  const file = join(directory, 'registration.yaml')
  await writeFile(file, JSON.stringify(registration))
  const server = await createServer(join(directory, 'server'), [], ['--app-service', file])
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await server.start()
  const alice = await ApiAccount.register(askAt(server.baseUrl), 'alice')
  const serverName = alice.userId.slice(alice.userId.indexOf(':') + 1)
  let running = await startBridge(registration, port, server.baseUrl, serverName)
  cleanUp.defer(async () => running[Symbol.asyncDispose]())

  const ghost = `@echo_bob:${serverName}`
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'private_chat' })
  await alice.ok('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: ghost })
  await eventually('the ghost was made, told of its invite, and has joined', PATIENCE_MS, async () => {
    const { joined } = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/joined_members`)
    return joined[ghost] !== undefined
  })
  expect((await alice.ok('GET', `/profile/${encodeURIComponent(ghost)}`)).displayname).toBe('An echo')
  const canyon = encodeURIComponent(`#echo_canyon:${serverName}`)
  const { room_id: canyonId } = await alice.ok('POST', `/join/${canyon}`, {})
  expect((await alice.ok('GET', `/rooms/${encodeURIComponent(canyonId)}/state/m.room.name`)).name).toBe('The canyon')
  expect(Object.keys(await alice.ok('GET', '/thirdparty/protocols'))).toEqual(['echo'])

  const said = [await alice.sendUntilAcknowledged(roomId, 'one')]
  await eventually('the bridge hears', PATIENCE_MS, () => running.heard.length === 1)
  const intent = running.bridge.getIntentForUserId(ghost)
  const answered = await intent.sendText(roomId, 'one, one')
  const event = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(answered)}`)
  expect(event.sender).toBe(ghost)

  await running[Symbol.asyncDispose]()
  for (const text of ['two', 'three']) said.push(await alice.sendUntilAcknowledged(roomId, text))
  await server.process.end('SIGKILL')
  await server.start()
  said.push(await alice.sendUntilAcknowledged(roomId, 'four'))
  running = await startBridge(registration, port, server.baseUrl, serverName)
  await eventually('the bridge hears the rest', PATIENCE_MS, () => running.heard.some(({ body }) => body === 'four'))
  const fromAlice = running.heard.filter(({ body }) => body !== 'one, one')
  expect(fromAlice.map(({ eventId }) => eventId)).toEqual(said.slice(1))
})

test('a registration that cannot be followed ends the start with one line that says why', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'kith-app-service-'))
  cleanUp.defer(async () => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'registration.yaml')
  await writeFile(file, JSON.stringify({ ...registrationAt(1), as_token: 'short' }))
  const server = await createServer(join(directory, 'server'), [], ['--app-service', file])
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await expect(server.start()).rejects.toThrow('exited with 1')
  await eventually('it says why', PATIENCE_MS, () => server.process.errorLines.length > 0)
  expect(server.process.errorLines).toEqual([`kith: ${file}: as_token: must have 8 characters or more, and no spaces`])
})
