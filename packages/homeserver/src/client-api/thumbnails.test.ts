import type { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import type { Thumbnailer, ThumbnailerOutcome, ThumbnailOrder } from '../ports/index.ts'
import type { TestNode, TestUser } from './test-node.test-support.ts'
import { TwoNodes } from './two-nodes.test-support.ts'

/** Says what it was asked for, when it is let. */
class SpokenThumbnailer implements Thumbnailer {
  readonly orders: ThumbnailOrder[] = []
  outcome: ThumbnailerOutcome | undefined
  hold: Promise<void> = Promise.resolve()
  running = 0
  runningMost = 0

  async make(picture: Uint8Array, order: ThumbnailOrder): Promise<ThumbnailerOutcome> {
    this.orders.push(order)
    this.runningMost = Math.max(this.runningMost, ++this.running)
    await this.hold
    this.running--
    const bytes = new TextEncoder().encode(`${picture.byteLength} as ${order.method} ${order.width}x${order.height}`)
    return this.outcome ?? { kind: 'made', thumbnail: { contentType: order.animated ? 'image/webp' : 'image/jpeg', bytes } }
  }
}

let nodes: TwoNodes
let world: SimulatedWorld
let home: TestNode
let alice: TestUser
let bob: TestUser
let atHome: SpokenThumbnailer
let atBobs: SpokenThumbnailer

beforeEach(async () => {
  nodes = await TwoNodes.start(4, (alices, bobs) => {
    alices.optionalPorts = { thumbnailer: (atHome = new SpokenThumbnailer()) }
    bobs.optionalPorts = { thumbnailer: (atBobs = new SpokenThumbnailer()) }
  })
  ;({ world, home, alice, bob } = nodes)
})

afterEach(async () => nodes[Symbol.asyncDispose]())

async function uploaded(user: TestUser, size: number, contentType = 'image/png'): Promise<string> {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': contentType }
  const request = new Request('http://node.test/_matrix/media/v3/upload', { method: 'POST', headers, body: new Uint8Array(size) })
  const { content_uri: uri } = await (await user.node.clientApi(request)).json()
  return String(uri).slice('mxc://'.length)
}

function requestFor(user: TestUser, mxc: string, query: string, more: Record<string, string> = {}): Request {
  const headers = { authorization: `Bearer ${user.token}`, ...more }
  return new Request(`http://node.test/_matrix/client/v1/media/thumbnail/${mxc}?${query}`, { headers })
}

async function thumbnail(user: TestUser, mxc: string, query: string, more: Record<string, string> = {}) {
  const response = await world.finish(user.node.clientApi(requestFor(user, mxc, query, more)))
  return { status: response.status, headers: response.headers, text: await world.finish(response.text()) }
}

describe('thumbnails', () => {
  test('are made once, of the next usual size, for users here and elsewhere', async () => {
    const mxc = await uploaded(alice, 12)
    for (const user of [alice, bob, alice, bob]) {
      const made = await thumbnail(user, mxc, 'width=40&height=50&method=crop')
      expect(made).toMatchObject({ status: 200, text: '12 as crop 96x96' })
      expect(made.headers.get('content-type')).toBe('image/jpeg')
      expect(made.headers.get('content-disposition')).toBe('inline; filename="thumbnail.jpeg"')
    }
    expect(atHome.orders).toHaveLength(1)
    expect(atBobs.orders).toHaveLength(0)
    expect((await thumbnail(alice, mxc, 'width=40&height=50&method=crop&animated=true')).headers.get('content-type')).toBe('image/webp')
    expect((await thumbnail(alice, mxc, 'width=400&height=100')).text).toBe('12 as scale 640x480')
    expect(atHome.orders.map(({ animated }) => animated)).toEqual([false, true, false])
    await home.restart()
    expect((await thumbnail(alice, mxc, 'width=40&height=50&method=crop')).text).toBe('12 as crop 96x96')
    expect(atHome.orders).toHaveLength(3)
  })

  test('asked for by many at once are made once, and one after the other', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    atHome.hold = promise
    const [one, other] = [await uploaded(alice, 1), await uploaded(alice, 2)]
    const asked = [one, one, other, one, other].map(async (mxc) => alice.node.clientApi(requestFor(alice, mxc, 'width=32&height=32')))
    await expect.poll(() => atHome.running).toBe(1)
    resolve()
    const texts = await Promise.all(asked.map(async (response) => (await response).text()))
    expect(texts.map((text) => text.slice(0, 2))).toEqual(['1 ', '1 ', '2 ', '1 ', '2 '])
    expect(atHome.orders).toHaveLength(2)
    expect(atHome.runningMost).toBe(1)
  })

  test('that cannot be made are refused, and not tried again', async () => {
    const mxc = await uploaded(alice, 3)
    for (const [outcome, user, status, errcode] of [
      ['undecodable', alice, 400, 'M_UNKNOWN'],
      ['too-large', alice, 413, 'M_TOO_LARGE'],
    ] as const) {
      atHome.outcome = { kind: outcome }
      const file = await uploaded(user, 3)
      for (let time = 0; time < 2; time++) {
        const refused = await thumbnail(user, file, 'width=32&height=32')
        expect([refused.status, JSON.parse(refused.text).errcode]).toEqual([status, errcode])
      }
    }
    expect(atHome.orders).toHaveLength(2)
    expect((await thumbnail(alice, await uploaded(alice, 3, 'application/octet-stream'), 'width=32&height=32')).status).toBe(400)
    expect(atHome.orders).toHaveLength(2)
    // Where its own server makes none, the file is fetched.
    atHome.outcome = { kind: 'undecodable' }
    expect(await thumbnail(bob, mxc, 'width=32&height=32')).toMatchObject({ status: 200, text: '3 as scale 320x240' })
    atBobs.outcome = { kind: 'too-large' }
    expect(await thumbnail(bob, mxc, 'width=400&height=400')).toMatchObject({ status: 502 })
  })

  test('that hang, and those that are too many, hold up nothing for ever', async () => {
    const most = limits.implementation.thumbnailsWaitingMax
    const files = await Promise.all(Array.from({ length: most + 1 }, async () => uploaded(alice, 5)))
    atHome.hold = new Promise(() => undefined)
    const hanging = files.map(async (file) => (await alice.node.clientApi(requestFor(alice, file, 'width=32&height=32'))).status)
    expect(await Promise.race(hanging)).toBe(429)
    await expect.poll(() => atHome.running).toBe(1)
    atHome.hold = Promise.resolve()
    const statuses = await world.finish(Promise.all(hanging))
    expect(statuses.filter((status) => status === 413)).toHaveLength(1)
    expect(statuses.filter((status) => status === 429)).toHaveLength(1)
    expect(statuses.filter((status) => status === 200)).toHaveLength(most - 1)
  })

  test('are shown when there is no room to keep them', async () => {
    const mxc = await uploaded(alice, 3)
    home.storageFault = () => {
      throw new Error('no room')
    }
    const made = await thumbnail(alice, mxc, 'width=32&height=32', { range: 'bytes=0-3' })
    expect(made).toMatchObject({ status: 206, text: '3 as' })
    home.storageFault = undefined
  })
})
