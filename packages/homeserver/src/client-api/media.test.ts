import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import type { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import type { Json, TestNode, TestUser } from './test-node.test-support.ts'
import { TwoNodes } from './two-nodes.test-support.ts'

let nodes: TwoNodes
let world: SimulatedWorld
let home: TestNode
let away: TestNode
let alice: TestUser
let bob: TestUser

beforeEach(async () => {
  nodes = await TwoNodes.start(4)
  ;({ world, home, away, alice, bob } = nodes)
})

afterEach(async () => nodes[Symbol.asyncDispose]())

interface Upload {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly contentType?: string
  readonly path?: string
  readonly method?: string
}

async function upload(user: TestUser, { bytes, contentType = 'image/png', path = 'upload', method = 'POST' }: Upload): Promise<Response> {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': contentType }
  return user.node.clientApi(new Request(`http://node.test/_matrix/media/v3/${path}`, { method, headers, body: bytes }))
}

async function uploaded(user: TestUser, bytes: Uint8Array<ArrayBuffer>, contentType?: string, path?: string): Promise<string> {
  const answer = await upload(user, {
    bytes,
    ...(contentType === undefined ? {} : { contentType }),
    ...(path === undefined ? {} : { path }),
  })
  const { content_uri: uri } = await answer.json()
  expect(uri).toMatch(/^mxc:\/\/[^/]+\/[A-Za-z0-9_-]+$/)
  return String(uri).slice('mxc://'.length)
}

async function download(user: TestUser, path: string): Promise<{ status: number; headers: Headers; bytes: Uint8Array; json: Json }> {
  const headers = { authorization: `Bearer ${user.token}` }
  const response = await world.finish(user.node.clientApi(new Request(`http://node.test/_matrix/client/v1/media/${path}`, { headers })))
  const bytes = new Uint8Array(await world.finish(response.arrayBuffer()))
  const isJson = response.headers.get('content-type') === 'application/json'
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json: isJson ? JSON.parse(new TextDecoder().decode(bytes)) : undefined,
  }
}

function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => index * 7 + (index >> 9))
}

const { mediaChunkBytes, mediaFileBytesMax, mediaPatienceDefaultMs } = limits.implementation

describe('files', () => {
  test('reach users of this and of other servers, whole, named and harmless', async () => {
    const bytes = pattern(3 * mediaChunkBytes + 17)
    const mxc = await uploaded(alice, bytes, 'image/png', 'upload?filename=a%20cat.png')
    for (const user of [alice, bob, bob]) {
      const file = await download(user, `download/${mxc}`)
      expect(file.bytes).toEqual(bytes)
      expect(file.headers.get('content-type')).toBe('image/png')
      expect(file.headers.get('content-disposition')).toBe('inline; filename="a cat.png"')
      expect(file.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
      expect(file.headers.get('x-content-type-options')).toBe('nosniff')
      expect((await download(user, `download/${mxc}/dog.png`)).headers.get('content-disposition')).toBe('inline; filename="dog.png"')
    }
    // What was fetched once is there when its server is not.
    await home[Symbol.asyncDispose]()
    expect((await download(bob, `download/${mxc}`)).bytes).toEqual(bytes)
  })

  test('come in parts to whoever asks, and not again to whoever has them', async () => {
    const bytes = pattern(2 * mediaChunkBytes + 100)
    const mxc = await uploaded(alice, bytes)
    await download(bob, `download/${mxc}`)
    for (const user of [alice, bob]) {
      const ask = async (headers: Record<string, string>, method = 'GET') => {
        const url = `http://node.test/_matrix/client/v1/media/download/${mxc}`
        const init = { method, headers: { authorization: `Bearer ${user.token}`, ...headers } }
        const response = await world.finish(user.node.clientApi(new Request(url, init)))
        return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
      }
      const whole = await ask({})
      const etag = whole.headers.get('etag') ?? ''
      expect(whole.headers.get('accept-ranges')).toBe('bytes')
      for (const [start, end] of [
        [0, 1],
        [mediaChunkBytes - 1, mediaChunkBytes + 1],
        [mediaChunkBytes, 2 * mediaChunkBytes],
        [5, bytes.byteLength],
      ] as const) {
        const part = await ask({ range: `bytes=${start}-${end - 1}` })
        expect(part.status).toBe(206)
        expect(part.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${bytes.byteLength}`)
        expect(part.headers.get('content-length')).toBe(String(end - start))
        expect(part.headers.get('content-security-policy')).toMatch(/^sandbox/)
        expect(part.bytes).toEqual(bytes.slice(start, end))
      }
      const beyond = await ask({ range: `bytes=${bytes.byteLength}-` })
      expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes.byteLength}`])
      expect((await ask({ range: 'bytes=0-1', 'if-range': '"another"' })).bytes).toEqual(bytes)
      expect((await ask({ range: 'bytes=0-1', 'if-range': etag })).bytes).toEqual(bytes.slice(0, 2))
      expect(await ask({ 'if-none-match': `"x", W/${etag}` })).toMatchObject({ status: 304, bytes: new Uint8Array() })
      const head = await ask({}, 'HEAD')
      expect([head.status, head.headers.get('content-length'), head.bytes.byteLength]).toEqual([200, String(bytes.byteLength), 0])
    }
  })

  test('that could run in the page are attachments', async () => {
    const mxc = await uploaded(alice, pattern(9), 'text/html')
    for (const user of [alice, bob]) {
      expect((await download(user, `download/${mxc}`)).headers.get('content-disposition')).toBe('attachment')
      expect((await download(user, `thumbnail/${mxc}?width=1&height=1`)).json.errcode).toBe('M_UNKNOWN')
    }
  })

  test('that do not exist, are too large, or are wanted by nobody in particular', async () => {
    const server = home.identity.server
    for (const user of [alice, bob]) {
      expect((await download(user, `download/${server}/unknown`)).json.errcode).toBe('M_NOT_FOUND')
      expect((await download(user, `download/${server}/..%2F..`)).json.errcode).toBe('M_NOT_FOUND')
      expect((await download(user, `thumbnail/${server}/unknown?width=0&height=1`)).json.errcode).toBe('M_INVALID_PARAM')
      expect((await download(user, `thumbnail/${server}/unknown`)).json.errcode).toBe('M_MISSING_PARAM')
    }
    expect((await upload(alice, { bytes: new Uint8Array(mediaFileBytesMax + 1) })).status).toBe(413)
    expect((await home.call('GET', '/_matrix/client/v1/media/config')).status).toBe(401)
    expect((await alice.ok('GET', '/_matrix/client/v1/media/config'))['m.upload.size']).toBe(mediaFileBytesMax)
    const mxc = await uploaded(alice, pattern(1))
    expect((await home.call('GET', `/_matrix/client/v1/media/download/${mxc}`)).status).toBe(401)
    expect((await home.call('GET', `/_matrix/media/v3/download/${mxc}`)).body.errcode).toBe('M_NOT_FOUND')
    expect((await download(bob, `download/${world.createIdentity().server}/x`)).status).toBe(504)
  })

  test('announced before they are there are waited for, here and from elsewhere', async () => {
    const create = await alice.ok('POST', '/_matrix/media/v1/create')
    const mxc = String(create.content_uri).slice('mxc://'.length)
    expect(create.unused_expires_at).toBeGreaterThan(world.clock.now())
    for (const user of [alice, bob]) {
      const began = world.clock.now()
      expect((await download(user, `download/${mxc}`)).json.errcode).toBe('M_NOT_YET_UPLOADED')
      expect(world.clock.now() - began).toBeGreaterThanOrEqual(mediaPatienceDefaultMs)
    }
    const waiting = [download(alice, `download/${mxc}`), download(bob, `download/${mxc}?timeout_ms=30000`)]
    const put = { bytes: pattern(5), path: `upload/${mxc}`, method: 'PUT' }
    expect((await upload(alice, put)).status).toBe(200)
    for (const file of await Promise.all(waiting)) expect(file.bytes).toEqual(pattern(5))
    expect((await (await upload(alice, put)).json()).errcode).toBe('M_CANNOT_OVERWRITE_MEDIA')
    expect((await upload(alice, { ...put, path: `upload/${home.identity.server}/never` })).status).toBe(404)
    expect((await upload(alice, { ...put, path: `upload/${away.identity.server}/x` })).status).toBe(404)
  })

  test('many that are waited for do not keep a server from being heard', async () => {
    const creates = await Promise.all(Array.from({ length: 12 }, async () => alice.ok('POST', '/_matrix/media/v1/create')))
    const waiting = creates.map(async ({ content_uri: uri }) => download(bob, `download/${String(uri).slice('mxc://'.length)}`))
    const began = world.clock.now()
    expect((await world.finish(bob.call('GET', `/profile/${encodeURIComponent(alice.userId)}`))).status).toBe(200)
    expect(world.clock.now() - began).toBeLessThan(mediaPatienceDefaultMs / 2)
    for (const file of await Promise.all(waiting)) expect(file.json.errcode).toBe('M_NOT_YET_UPLOADED')
  })

  test('asked for by many at once cross the network once; a broken connection is an error, and no file', async () => {
    const mxc = await uploaded(alice, pattern(mediaChunkBytes))
    const files = await Promise.all([1, 2, 3].map(async () => download(bob, `download/${mxc}`)))
    for (const { bytes } of files) expect(bytes).toEqual(pattern(mediaChunkBytes))
    const other = await uploaded(alice, pattern(10))
    world.network.cut(home.identity.server, away.identity.server)
    expect((await download(bob, `download/${other}`)).status).toBe(504)
    world.network.mend(home.identity.server, away.identity.server)
    expect((await download(bob, `download/${other}`)).bytes).toEqual(pattern(10))
  })

  test('that move have no still thumbnail', async () => {
    const moving = new Uint8Array(new TextEncoder().encode('GIF89a NETSCAPE2.0'))
    const mxc = await uploaded(alice, moving, 'image/gif')
    for (const user of [alice, bob]) {
      const size = 'width=32&height=32'
      expect((await download(user, `thumbnail/${mxc}?${size}`)).bytes).toEqual(moving)
      expect((await download(user, `thumbnail/${mxc}?${size}&animated=true`)).bytes).toEqual(moving)
      expect((await download(user, `thumbnail/${mxc}?${size}&animated=false`)).json.errcode).toBe('M_UNKNOWN')
    }
  })
})

test('a server whose files never come holds up nobody else, nor its own errors', async () => {
  const mallory = await new HostileServer(world, 'mallory').start()
  const endless = (): ReadableStream => new ReadableStream({ pull: () => new Promise(() => undefined) })
  let cancelled = 0
  mallory.answering(({ path }) => {
    if (path.endsWith('/error')) return new Response(endless(), { status: 404 })
    if (path.endsWith('/page'))
      return new Response(new ReadableStream({ cancel: () => void cancelled++ }), { headers: { 'content-type': 'text/html' } })
    return new Response(endless(), { headers: { 'content-type': 'multipart/mixed; boundary=x' } })
  })
  expect((await download(bob, `download/${mallory.server}/page`)).json.errcode).toBe('M_UNKNOWN')
  expect(cancelled).toBe(1)
  const begun = world.clock.now()
  expect((await download(bob, `download/${mallory.server}/error?timeout_ms=1000`)).json.errcode).toBe('M_UNKNOWN')
  expect(world.clock.now() - begun).toBeLessThan(2 * limits.implementation.peerRequestTimeoutMs)
  const headers = { authorization: `Bearer ${bob.token}` }
  for (let count = 0; count < 2 * limits.implementation.remoteMediaFetchesAtOnceMax; count++) {
    const url = `http://node.test/_matrix/client/v1/media/download/${mallory.server}/file${count}`
    void bob.node.clientApi(new Request(url, { headers }))
  }
  await world.run(1_000)
  const honest = await uploaded(alice, new Uint8Array([1, 2, 3]))
  expect((await download(bob, `download/${honest}`)).bytes).toEqual(new Uint8Array([1, 2, 3]))
})
