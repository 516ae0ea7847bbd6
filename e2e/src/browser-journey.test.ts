import { join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { eventually } from '@kith/testkit/eventually'
import { expect, test } from 'vitest'
import { ChatPage } from './chat-page.ts'
import { ChromiumProcess } from './chromium-process.ts'
import { watchWebRtc, webRtcTraffic } from './web-rtc-watch.ts'
import { startWebApp } from './web-app-process.ts'

const AWAY_MESSAGES = Array.from({ length: 20 }, (_, index) => `while you were away ${index + 1}`)
/** High enough that the virtual list renders the whole conversation. */
const WINDOW_SIZE = { width: 1280, height: 3200 }
const LIVE_DELIVERY_MS = 2_000
/** The machine may be busy with something else now and then: so many rounds it has until three in a row were live. */
const LIVE_ROUNDS_MAX = 12

interface Person {
  readonly browser: ChromiumProcess
  chat: ChatPage
}

test.each(['all', 'webrtc-direct'] as const)(
  'two browsers chat, also when they are never online together (relay addresses: %s)',
  async (transports) => {
    await using app = await startWebApp(transports)
    await using profiles = await makeTemporaryFolder('kith-browsers-')
    await using browserA = new ChromiumProcess(join(profiles.path, 'a'), WINDOW_SIZE)
    await using browserB = new ChromiumProcess(join(profiles.path, 'b'), WINDOW_SIZE)
    const ada = await openKith(browserA, app.url)
    const ben = await openKith(browserB, app.url)
    await Promise.all([firstRun(ada, 'Ada'), firstRun(ben, 'Ben')])

    await ben.chat.openInviteLink(await ada.chat.inviteLink())
    await ada.chat.acceptInvite()
    await chatLive(ada, ben)
    await expectWebRtcBetween(ada, ben, app.relayPort)

    await ben.browser.kill()
    for (const text of AWAY_MESSAGES) await ada.chat.send(text)
    await ada.chat.waitForDeliveryState(AWAY_MESSAGES, 'at_relay', 90_000)
    await ada.browser.kill()

    await reopen(ben, app.url, 'Ada')
    await eventually('Ben reads everything in order, once', 90_000, async () => {
      const read = (await ben.chat.messages()).filter((text) => text.startsWith('while you were away'))
      expect(read).toEqual(AWAY_MESSAGES)
      return true
    })
    await reopen(ada, app.url, 'Ben')
    await ada.chat.waitForDeliveryState(AWAY_MESSAGES, 'delivered', 90_000)

    const before = await Promise.all([ada.chat.messages(), ben.chat.messages()])
    for (const person of [ada, ben]) await person.chat.page.reload()
    for (const [index, person] of [ada, ben].entries()) {
      await person.chat.waitUntilReady()
      await person.chat.openChatWith(person === ada ? 'Ben' : 'Ada')
      await eventually('the history is back', 60_000, async () => {
        expect(await person.chat.messages()).toEqual(before[index])
        return true
      })
    }
  },
  420_000,
)

async function openKith(browser: ChromiumProcess, url: string): Promise<Person> {
  await browser.start()
  await watchWebRtc(browser.context)
  return { browser, chat: new ChatPage(await browser.openPage(url)) }
}

async function firstRun(person: Person, name: string): Promise<void> {
  await person.chat.giveName(name)
  await person.chat.waitUntilReady()
}

async function reopen(person: Person, url: string, peerName: string): Promise<void> {
  person.chat = (await openKith(person.browser, url)).chat
  await person.chat.waitUntilReady()
  await person.chat.openChatWith(peerName)
}

/** The first messages set up keys in both directions; then each one arrives while somebody watches. */
async function chatLive(ada: Person, ben: Person): Promise<void> {
  await ben.chat.send('hello Ada')
  await ada.chat.waitForMessage('hello Ada', 60_000)
  await ada.chat.send('hello Ben')
  await ben.chat.waitForMessage('hello Ben', 60_000)
  const slowest: number[] = []
  const areLive = (): boolean => slowest.length >= 3 && slowest.slice(-3).every((tookMs) => tookMs < LIVE_DELIVERY_MS)
  for (let round = 1; round <= LIVE_ROUNDS_MAX && !areLive(); round += 1) {
    const ping = await deliveryMs(ada, ben, `ping ${round}`)
    const pong = await deliveryMs(ben, ada, `pong ${round}`)
    slowest.push(Math.max(ping, pong))
  }
  expect(areLive(), `deliveries took up to ${slowest.map((tookMs) => Math.round(tookMs)).join(', ')} ms`).toBe(true)
}

async function deliveryMs(from: Person, to: Person, text: string): Promise<number> {
  await from.chat.send(text)
  const sentAt = performance.now()
  await to.chat.waitForMessage(text, 60_000)
  return performance.now() - sentAt
}

/** Once both have a direct connection, their browsers' own statistics must show the next message on a connection that is not the relay's. */
async function expectWebRtcBetween(ada: Person, ben: Person, relayPort: number): Promise<void> {
  for (const person of [ada, ben]) {
    await eventually('the peer is reached directly', 60_000, async () => {
      expect(await networkPeers(person)).toContainEqual({ path: 'direct', transport: 'webrtc' })
      return true
    })
  }
  const payload = 'x'.repeat(4_000)
  const countBoth = async () =>
    Promise.all([peerToPeerBytes(ada, 'bytesSent', relayPort), peerToPeerBytes(ben, 'bytesReceived', relayPort)])
  const [sentBefore, receivedBefore] = await countBoth()
  await ada.chat.send(payload)
  await eventually('the message travelled over WebRTC', 30_000, async () => {
    const [sent, received] = await countBoth()
    return sent - sentBefore > payload.length && received - receivedBefore > payload.length
  })
}

async function peerToPeerBytes(person: Person, direction: 'bytesSent' | 'bytesReceived', relayPort: number): Promise<number> {
  const traffic = await webRtcTraffic(person.chat.page)
  return traffic.filter(({ remotePort }) => remotePort !== relayPort).reduce((total, connection) => total + connection[direction], 0)
}

async function networkPeers(person: Person): Promise<{ path: string; transport: string }[]> {
  await person.chat.page.getByRole('button', { name: 'Network' }).click()
  const cards = person.chat.page.locator('[data-peer-path]')
  await cards.first().waitFor()
  const peers = await cards.evaluateAll((found) =>
    found.map((card) => ({ path: card.getAttribute('data-peer-path') ?? '', transport: card.getAttribute('data-peer-transport') ?? '' })),
  )
  await person.chat.page.getByRole('dialog', { name: 'Network' }).getByRole('button', { name: 'Close' }).click()
  return peers
}
