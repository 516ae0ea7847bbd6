import { join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import type { Json } from '@kith/testkit/world/json'
import { expect, test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { startBrowserVictim } from './browser-victim.ts'
import { createServer } from './headless-constellation.ts'
import { startWebApp } from './web-app-process.ts'

/** Sends messages, and finds those with the words, before and after the server died. */
async function findAgain(account: ApiAccount, restart: () => Promise<void>): Promise<void> {
  const { room_id: roomId } = await account.ok('POST', '/createRoom', { name: 'Tea house' })
  const first = await account.sendUntilAcknowledged(roomId, 'green tea, please')
  expect(await find(account, 'TEA', 'content.body')).toEqual([first])
  const second = await account.sendUntilAcknowledged(roomId, 'no more tea')
  const removed = await account.sendUntilAcknowledged(roomId, 'bad tea')
  await account.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/redact/${encodeURIComponent(removed)}/1`, {})
  await restart()
  expect(await find(account, 'tea', 'content.body')).toEqual([second, first].toSorted())
  expect(await find(account, 'house', 'content.name')).toHaveLength(1)
}

async function find(account: ApiAccount, term: string, key: string): Promise<string[]> {
  const criteria = { search_term: term, keys: [key], order_by: 'recent' }
  const answer = await account.ok('POST', '/search', { search_categories: { room_events: criteria } })
  return answer.search_categories.room_events.results.map(({ result }: Json) => result.event_id).toSorted()
}

test('a node in Chromium finds its messages by their words, also after it was killed', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const { path: directory } = cleanUp.use(await makeTemporaryFolder('kith-search-'))
  const app = cleanUp.use(await startWebApp('all'))
  const victim = cleanUp.use(await startBrowserVictim(app.url, join(directory, 'profile')))
  await findAgain(victim.account, async () => {
    await victim.kill()
    await victim.checkStore()
    await victim.start()
  })
}, 240_000)

test('a headless node does as well', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const { path: directory } = cleanUp.use(await makeTemporaryFolder('kith-search-'))
  const server = await createServer(join(directory, 'server'), [])
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await server.start()
  const account = await ApiAccount.register(askAt(server.baseUrl), 'alice')
  await findAgain(account, async () => {
    await server.process.end('SIGKILL')
    await server.start()
  })
}, 120_000)
