import { afterAll, beforeAll, expect, test } from 'vitest'
import { addressThrough, openLossyLink, randomLoss, webRtcPort } from '../src/node/lossy-link.test-support.ts'
import { startNode, type NodePeer } from '../src/node/node-pairs.test-support.ts'
import { servePage, startBrowser } from './chromium.ts'

const LOST_SHARE = 0.03
const BODIES = 40
/** Just long enough for streams of their own, so that many come and go. */
const BODY_BYTES = 80_000

const loss = randomLoss(LOST_SHARE, 1)
let losing = false

let page: Awaited<ReturnType<typeof servePage>>
let relay: NodePeer
let link: Awaited<ReturnType<typeof openLossyLink>>

// One relay for all tests: a process can be reached by WebRTC-direct through a link like this at its first port only.
beforeAll(async () => {
  page = await servePage()
  relay = await startNode(async (_origin, request) => new Response(await request.arrayBuffer()), {
    role: 'relay',
    listen: { host: '127.0.0.1', port: 0, transports: ['webrtc-direct'] },
  })
  link = await openLossyLink(webRtcPort(relay.network.addresses()), () => losing && loss())
}, 60_000)
afterAll(async () => {
  link[Symbol.dispose]()
  await relay.network[Symbol.asyncDispose]()
  await page[Symbol.asyncDispose]()
})

// Both sides open a stream for each body. A reset of the last one that comes late must not hit the next.
test.each([{ pump: false }, { pump: true }])(
  'no body is lost with the packets (channels pumped: $pump)',
  { timeout: 120_000 },
  async ({ pump }) => {
    losing = false
    const addresses = [addressThrough(link, relay.network.addresses())]
    await using browser = await startBrowser(page.url, addresses, { pump })
    await browser.call.learn(relay.server, addresses)
    expect(await browser.call.echo(relay.server, 10)).toBe(10)
    losing = true
    for (let count = 0; count < BODIES; count++) expect(await browser.call.echo(relay.server, BODY_BYTES)).toBe(BODY_BYTES)
  },
)
