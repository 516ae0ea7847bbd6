import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { AutojoinRoomsMixin, LogLevel, LogService, MatrixAuth, MatrixClient, SimpleFsStorageProvider } from 'matrix-bot-sdk'
import { expect, test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { createServer } from './headless-constellation.ts'

/** A bot that joins where it is invited and does what its owner says, each thing once. */
class Bot {
  readonly client: MatrixClient
  readonly handled: string[] = []

  constructor(baseUrl: string, accessToken: string, storageFile: string) {
    this.client = new MatrixClient(baseUrl, accessToken, new SimpleFsStorageProvider(storageFile))
    AutojoinRoomsMixin.setupOnClient(this.client)
    this.client.on('room.message', (roomId: string, event: { event_id: string; content: { body?: string } }) => {
      const command = event.content.body ?? ''
      if (!command.startsWith('!')) return
      this.handled.push(command)
      void this.#obey(roomId, event, command)
    })
  }

  async #obey(roomId: string, event: { event_id: string }, command: string): Promise<void> {
    const [name, ...words] = command.split(' ')
    if (name === '!ping') await this.client.replyNotice(roomId, event, `pong ${words.join(' ')}`)
    if (name === '!topic') await this.client.sendStateEvent(roomId, 'm.room.topic', '', { topic: words.join(' ') })
    if (name === '!react') await this.client.unstableApis.addReactionToEvent(roomId, event.event_id, '✅')
    if (name === '!remove') await this.client.redactEvent(roomId, event.event_id, 'as asked')
  }
}

test('a bot of matrix-bot-sdk joins, obeys, and goes on where it was when server and bot come back', async () => {
  await using cleanUp = new AsyncDisposableStack()
  LogService.setLevel(LogLevel.ERROR)
  LogService.muteModule('MatrixHttpClient')
  LogService.muteModule('MatrixClientLite')
  const directory = await mkdtemp(join(tmpdir(), 'kith-bot-'))
  cleanUp.defer(async () => rm(directory, { recursive: true, force: true }))
  const server = await createServer(join(directory, 'server'), [])
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await server.start()
  const owner = await ApiAccount.register(askAt(server.baseUrl), 'owner')
  const { accessToken } = await new MatrixAuth(server.baseUrl).passwordRegister('bot', 'password of the bot')
  const storageFile = join(directory, 'bot.json')
  const first = new Bot(server.baseUrl, accessToken, storageFile)
  cleanUp.defer(() => first.client.stop())
  await first.client.start()
  const botId = await first.client.getUserId()

  const rights = { users: { [owner.userId]: 100, [botId]: 50 } }
  const { room_id: roomId } = await owner.ok('POST', '/createRoom', {
    preset: 'private_chat',
    room_version: '11',
    invite: [botId],
    power_level_content_override: rights,
  })
  await eventually('the bot joins', PATIENCE_MS, async () => (await first.client.getJoinedRooms()).includes(roomId))
  const room = `/rooms/${encodeURIComponent(roomId)}`
  const ping = await owner.sendUntilAcknowledged(roomId, '!ping one')
  const texts = async (): Promise<string[]> => (await owner.messages(roomId)).map(({ text }) => text)
  const answered = async (word: string): Promise<boolean> => (await texts()).some((text) => text.includes(`pong ${word}`))
  await eventually('the bot answers', PATIENCE_MS, async () => answered('one'))
  await owner.sendUntilAcknowledged(roomId, '!topic what the bot says')
  await eventually('the bot sets the topic', PATIENCE_MS, async () => {
    const { status, body } = await owner.call('GET', `${room}/state/m.room.topic/`)
    return status === 200 && body.topic === 'what the bot says'
  })
  const reacted = await owner.sendUntilAcknowledged(roomId, '!react to this')
  await eventually('the bot reacts', PATIENCE_MS, async () => {
    const { chunk } = await owner.ok('GET', `/_matrix/client/v1${room}/relations/${encodeURIComponent(reacted)}/m.annotation`)
    return chunk.length === 1 && chunk[0].sender === botId
  })
  expect((await first.client.getRoomMembers(roomId)).map((member) => member.membershipFor).toSorted()).toEqual(
    [botId, owner.userId].toSorted(),
  )
  expect((await first.client.getEvent(roomId, ping)).content.body).toBe('!ping one')

  const unwanted = await owner.sendUntilAcknowledged(roomId, '!remove this')
  await eventually('the bot removes it', PATIENCE_MS, async () => {
    const { content } = await owner.ok('GET', `${room}/event/${encodeURIComponent(unwanted)}`)
    return Object.keys(content).length === 0
  })

  // The server goes away under the bot, which keeps on asking.
  await server.process.end('SIGKILL')
  await server.start()
  await owner.sendUntilAcknowledged(roomId, '!ping two')
  await eventually('the bot answers after the restart of its server', PATIENCE_MS, async () => answered('two'))

  // The bot goes away with the request that it waited for, and another one goes on from its storage.
  first.client.stop()
  await server.process.end('SIGKILL')
  await server.start()
  await owner.sendUntilAcknowledged(roomId, '!ping three')
  const second = new Bot(server.baseUrl, accessToken, storageFile)
  cleanUp.defer(() => second.client.stop())
  await second.client.start()
  await eventually('the second bot answers', PATIENCE_MS, async () => answered('three'))
  await owner.sendUntilAcknowledged(roomId, '!ping four')
  await eventually('the second bot answers again', PATIENCE_MS, async () => answered('four'))
  const pings = [...first.handled, ...second.handled].filter((command) => command.startsWith('!ping'))
  expect(pings).toEqual(['!ping one', '!ping two', '!ping three', '!ping four'])
  expect((await texts()).filter((text) => text.includes('pong'))).toHaveLength(4)
})
