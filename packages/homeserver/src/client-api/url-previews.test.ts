import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import type { PreviewOutcome, UrlPreviewer } from '../ports/index.ts'
import { TestNode, type TestUser } from './test-node.test-support.ts'

const { urlPreviewsAtOnceMax, urlPreviewMs, urlPreviewLifetimeMs } = limits.implementation
const picture = { contentType: 'image/png', bytes: new Uint8Array([1, 2, 3]), width: 4, height: 5 }

class TestPreviewer implements UrlPreviewer {
  readonly asked: string[] = []
  outcome: PreviewOutcome | Promise<PreviewOutcome> = { kind: 'found', properties: { 'og:title': 'T' }, image: picture }

  async preview(url: URL): Promise<PreviewOutcome> {
    this.asked.push(url.href)
    return this.outcome
  }
}

let world: SimulatedWorld
let node: TestNode
let alice: TestUser
let previewer: TestPreviewer

beforeEach(async () => {
  world = new SimulatedWorld(3)
  node = new TestNode(world)
  previewer = new TestPreviewer()
  node.optionalPorts = { urlPreviewer: previewer }
  await node.start()
  alice = await node.register('alice')
})

afterEach(async () => node[Symbol.asyncDispose]())

const pathOf = (url: string, root = 'client/v1/media'): string => `/_matrix/${root}/preview_url?url=${encodeURIComponent(url)}`

describe('previews of addresses', () => {
  test('hold what the page says, and its picture as a file that others can fetch', async () => {
    const preview = await alice.ok('GET', `${pathOf('https://example.org/a#b')}&ts=5`)
    expect(preview).toMatchObject({
      'og:title': 'T',
      'og:image:type': 'image/png',
      'og:image:width': 4,
      'og:image:height': 5,
      'matrix:image:size': 3,
    })
    const away = new TestNode(world)
    await away.start()
    const bob = await away.register('bob')
    for (const user of [alice, bob]) {
      const url = `http://node.test/_matrix/client/v1/media/download/${String(preview['og:image']).slice('mxc://'.length)}`
      const request = new Request(url, { headers: { authorization: `Bearer ${user.token}` } })
      expect(new Uint8Array(await (await world.finish(user.node.clientApi(request))).arrayBuffer())).toEqual(picture.bytes)
    }
    await away[Symbol.asyncDispose]()
  })

  test('are made once in a while, whoever asks, at either place', async () => {
    const both = [pathOf('https://example.org/'), pathOf('https://example.org/#part', 'media/v3')]
    const previews = await Promise.all(both.map(async (path) => alice.ok('GET', path)))
    expect(previews[0]).toEqual(previews[1])
    expect(previewer.asked).toHaveLength(1)
    await world.run(urlPreviewLifetimeMs)
    await alice.ok('GET', pathOf('https://example.org/'))
    expect(previewer.asked).toHaveLength(2)
  })

  test('that cannot be had, take too long, or are too many are refused', async () => {
    previewer.outcome = { kind: 'nothing' }
    for (let time = 0; time < 2; time++) {
      expect(await alice.call('GET', pathOf('https://none.example/'))).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    }
    expect(previewer.asked).toHaveLength(1)
    previewer.outcome = new Promise(() => undefined)
    const hanging = Array.from({ length: urlPreviewsAtOnceMax }, async (_, index) =>
      alice.call('GET', pathOf(`https://slow.example/${index}`)),
    )
    expect((await alice.call('GET', pathOf('https://one.example/'))).body.errcode).toBe('M_LIMIT_EXCEEDED')
    await world.run(urlPreviewMs)
    expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual(hanging.map(() => 404))
  })

  test.each(['nonsense', 'file:///etc/passwd', 'ftp://example.org', 'javascript:1', '/relative', `https://e.org/${'x'.repeat(5_000)}`])(
    'are not made of %s',
    async (url) => {
      expect(await alice.call('GET', pathOf(url))).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
      expect(previewer.asked).toEqual([])
    },
  )

  test('need an address, a user, and an owner who wants them', async () => {
    expect((await alice.call('GET', '/_matrix/client/v1/media/preview_url')).body.errcode).toBe('M_MISSING_PARAM')
    expect((await node.call('GET', pathOf('https://example.org/'))).status).toBe(401)
    node.optionalPorts = {}
    await node.restart()
    expect(await alice.call('GET', pathOf('https://example.org/'))).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })

  test('are given without their picture when there is no room for it', async () => {
    node.storageFault = () => {
      throw new Error('no room')
    }
    expect(await alice.ok('GET', pathOf('https://example.org/'))).toEqual({ 'og:title': 'T' })
    node.storageFault = undefined
  })
})
