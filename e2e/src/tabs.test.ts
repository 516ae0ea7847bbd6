import { join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { eventually } from '@kith/testkit/eventually'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { ChatPage } from './chat-page.ts'
import { ChromiumProcess } from './chromium-process.ts'
import { startWebApp } from './web-app-process.ts'

/** A third of the time after which a node that says nothing counts as lost: whoever answers by then was told. */
const TAKE_OVER_MS = 10_000

test('three tabs of one profile: every one reaches the node, the chat moves, a closed leader loses nothing', async () => {
  await using app = await startWebApp('all')
  await using profiles = await makeTemporaryFolder('kith-tabs-')
  await using browser = new ChromiumProcess(join(profiles.path, 'profile'))
  await using peerBrowser = new ChromiumProcess(join(profiles.path, 'peer'))
  await Promise.all([browser.start(), peerBrowser.start()])
  const first = new ChatPage(await browser.openPage(app.url))
  const peer = new ChatPage(await peerBrowser.openPage(app.url))
  await Promise.all([first, peer].map((chat, index) => chat.giveName(index === 0 ? 'Ada' : 'Ben')))
  await Promise.all([first.waitUntilReady(), peer.waitUntilReady()])
  await peer.openInviteLink(await first.inviteLink())
  await first.acceptInvite()
  await first.send('before the move')
  await peer.waitForMessage('before the move')

  const second = new ChatPage(await browser.openPage(app.url))
  const third = new ChatPage(await browser.openPage(app.url))
  for (const chat of [first, second, third]) expect(await versionsStatus(chat.page)).toBe(200)

  // The message is on its way when the other tab takes the chat.
  await first.send('during the move')
  await second.page.getByRole('button', { name: 'Use here' }).click()
  await second.waitUntilReady()
  await first.page.getByRole('button', { name: 'Use here' }).waitFor()
  await second.openChatWith('Ben')
  await second.waitForMessage('during the move')
  await peer.waitForMessage('during the move')

  // The first tab leads the node. While it closes, the second sends.
  await second.send('before the leader closes')
  const closed = performance.now()
  await first.page.close({ runBeforeUnload: false })
  await eventually('another tab answers', TAKE_OVER_MS, async () => (await versionsStatus(third.page)) === 200)
  expect(performance.now() - closed).toBeLessThan(TAKE_OVER_MS)
  await second.send('after the leader closed')
  const expected = ['before the move', 'during the move', 'before the leader closes', 'after the leader closed']
  for (const chat of [second, peer]) {
    await eventually('everything arrived once', 60_000, async () => {
      expect((await chat.messages()).filter((text) => expected.includes(text))).toEqual(expected)
      return true
    })
  }
  await second.waitForDeliveryState(expected, 'delivered', 60_000)
}, 240_000)

/** Through the service worker, as any Matrix client of the origin would ask. */
async function versionsStatus(page: Page): Promise<number> {
  return page.evaluate(async () => (await fetch('/_matrix/client/versions')).status)
}
