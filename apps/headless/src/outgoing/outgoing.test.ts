import type { LookupAddress } from 'node:dns'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import type { Log } from '@kith/homeserver/ports'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createGuardedFetch, type GuardOptions } from './guarded-fetch.ts'
import { HttpPushGateway } from './http-push-gateway.ts'
import { HttpUrlPreviewer } from './http-url-previewer.ts'
import { isPublicAddress } from './public-address.ts'

const signal = new AbortController().signal
const silent = (): void => undefined
const log: Log = { debug: silent, info: silent, warn: silent, error: silent }
/** An address of this machine that stands for one of the internet, in these tests only. */
const PUBLIC = '127.9.9.9'
const mayConnectTo = (address: string): boolean => address === PUBLIC || isPublicAddress(address)

type Answer = (request: IncomingMessage, response: ServerResponse) => void

class TestServer implements AsyncDisposable {
  readonly asked: string[] = []
  readonly bodies: string[] = []
  readonly #server = createServer((request, response) => {
    this.asked.push(request.url ?? '')
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString()))
    request.on('end', () => {
      this.bodies.push(body)
      const answer = this.answers.get(request.url ?? '')
      if (answer === undefined) response.writeHead(404).end()
      else answer(request, response)
    })
  })
  readonly answers = new Map<string, Answer>()

  async listen(host: string, port = 0): Promise<this> {
    await new Promise<void>((resolve, reject) => this.#server.once('error', reject).listen(port, host, resolve))
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  page(path: string, body: string | Buffer, headers: Record<string, string> = { 'content-type': 'text/html' }): void {
    this.answers.set(path, (_request, response) => response.writeHead(200, headers).end(body))
  }

  redirect(path: string, to: string): void {
    this.answers.set(path, (_request, response) => response.writeHead(302, { location: to }).end())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Others on this machine may have the port that was free at the first address. */
async function listenOnOnePort(): Promise<[TestServer, TestServer]> {
  for (let attempt = 0; ; attempt++) {
    const first = await new TestServer().listen(PUBLIC)
    try {
      return [first, await new TestServer().listen('127.0.0.1', first.port)]
    } catch (error) {
      await first[Symbol.asyncDispose]()
      if (attempt === 20) throw error
    }
  }
}

let site: TestServer
/** On the same port of the loopback address: what must never be asked. */
let secret: TestServer
let names: Map<string, string[]>
let opened: AsyncDisposableStack
let guard: GuardOptions

beforeEach(async () => {
  opened = new AsyncDisposableStack()
  ;[site, secret] = await listenOnOnePort()
  opened.use(site)
  opened.use(secret)
  secret.page('/', '<title>secret</title>')
  names = new Map([['public.example', [PUBLIC]]])
  guard = {
    mayConnectTo,
    resolve: async (hostname) => {
      const addresses = names.get(hostname.replace(/\.$/, ''))
      if (addresses === undefined) throw new Error('no such name')
      return addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }))
    },
  }
})

afterEach(async () => opened.disposeAsync())

const at = (path: string, host = 'public.example'): URL => new URL(`http://${host}:${site.port}${path}`)

async function preview(url: URL) {
  await using previewer = new HttpUrlPreviewer({ ...guard, log, mayUsePort: (port) => port === String(site.port) })
  return await previewer.preview(url, signal)
}

describe('previews of pages', () => {
  test('say what the page says of itself, with its picture', async () => {
    const picture = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    site.page('/image', picture, { 'content-type': 'image/jpeg' })
    site.page(
      '/',
      `<!doctype html><head><title>Title</title><meta property="og:title" content="A  &amp;\nB"><meta property="og:image" content="/image">
       <meta property="og:image:width" content="9999"><meta name="description" content="About"><script>var a = "<p>no</p>"</script></head>`,
    )
    expect(await preview(at('/#part'))).toEqual({
      kind: 'found',
      properties: { 'og:title': 'A & B', 'og:description': 'About' },
      image: { contentType: 'image/png', width: 40, height: 30, bytes: new Uint8Array(picture) },
    })
    expect(await preview(at('/image'))).toMatchObject({ properties: { 'og:title': 'image' }, image: { width: 40 } })
  })

  test.each([
    ['<title>Only this</title>', { 'og:title': 'Only this' }],
    [
      '<h1>Heading <b>too</b></h1><p> </p><p>First <i>words</i></p><p>more</p>',
      { 'og:title': 'Heading too', 'og:description': 'First words' },
    ],
    ['<meta name="twitter:title" content="T"><meta name="twitter:description" content="D">', { 'og:title': 'T', 'og:description': 'D' }],
    ['', {}],
    ['<title>unfinished', { 'og:title': 'unfinished' }],
    ['<meta property="og:title" content="\uD83D">', { 'og:title': '\uFFFD' }],
    [`<title>${'x'.repeat(5_000)}</title>`, { 'og:title': 'x'.repeat(1_000) }],
  ])('are made of what there is: %#', async (body, properties) => {
    site.page('/', body)
    expect(await preview(at('/'))).toEqual({ kind: 'found', properties })
  })

  test('read packed pages and old encodings', async () => {
    site.page('/', gzipSync('<title>packed</title>'), { 'content-type': 'text/html', 'content-encoding': 'gzip' })
    site.page('/old', Buffer.from('<meta charset="iso-8859-1"><title>caf\u00E9</title>', 'latin1'))
    site.page('/odd', '<title>odd</title>', { 'content-type': 'text/html; charset=none-such' })
    expect(await preview(at('/'))).toMatchObject({ properties: { 'og:title': 'packed' } })
    expect(await preview(at('/old'))).toMatchObject({ properties: { 'og:title': 'caf\u00E9' } })
    expect(await preview(at('/odd'))).toMatchObject({ properties: { 'og:title': 'odd' } })
  })

  test('follow redirects, a few of them', async () => {
    site.redirect('/0', '1')
    site.redirect('/1', at('/end').href)
    site.page('/end', '<title>end</title>')
    expect(await preview(at('/0'))).toMatchObject({ properties: { 'og:title': 'end' } })
    site.redirect('/round', '/round')
    site.asked.length = 0
    expect(await preview(at('/round'))).toEqual({ kind: 'nothing' })
    expect(site.asked).toHaveLength(6)
  })

  test('read a bounded part of endless pages and of bombs, and no endless picture', async () => {
    const endless: Answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).write('<title>long</title>')
      const noise = new Readable({ read: () => void noise.push('x'.repeat(100_000)) })
      pipeline(noise, response, () => undefined)
    }
    site.answers.set('/', endless)
    expect(await preview(at('/'))).toMatchObject({ properties: { 'og:title': 'long' } })
    const bomb = gzipSync(`<title>bomb</title>${' '.repeat(50_000_000)}`)
    site.page('/bomb', bomb, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
    expect(await preview(at('/bomb'))).toMatchObject({ properties: { 'og:title': 'bomb' } })
    site.page('/image', Buffer.alloc(9 * 1024 * 1024), { 'content-type': 'image/png' })
    expect(await preview(at('/image'))).toEqual({ kind: 'nothing' })
    site.page('/file', 'PK', { 'content-type': 'application/zip' })
    expect(await preview(at('/file'))).toEqual({ kind: 'nothing' })
    site.page('/broken', '<meta property="og:image" content="/file"><title>t</title>')
    expect(await preview(at('/broken'))).toEqual({ kind: 'found', properties: { 'og:title': 't' } })
  })
})

describe('nothing in the own network is asked', () => {
  test.each([
    ...['127.0.0.1', '127.0.0.1.', 'localhost', 'localhost.', '0x7f.0.0.1', '0177.0.0.1', '2130706433', '127.1', '0'],
    ...['[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[::]', '10.0.0.1', '169.254.169.254', '192.168.1.1'],
    ...['inside.example', 'mixed.example', 'mapped.example', 'unknown.example'],
  ])('not as %s', async (host) => {
    site.page('/', '<title>asked in spite of the other address</title>')
    names.set('localhost', ['127.0.0.1'])
    names.set('inside.example', ['127.0.0.1'])
    names.set('mixed.example', [PUBLIC, '127.0.0.1'])
    names.set('mapped.example', ['::ffff:127.0.0.1'])
    expect(await preview(at('/', host))).toEqual({ kind: 'nothing' })
    site.redirect('/away', at('/', host).href)
    expect(await preview(at('/away'))).toEqual({ kind: 'nothing' })
    site.page('/picture', `<title>t</title><meta property="og:image" content="${at('/', host).href}">`)
    expect(await preview(at('/picture'))).toEqual({ kind: 'found', properties: { 'og:title': 't' } })
    expect(secret.asked).toEqual([])
  })

  test('also not by a name that leads elsewhere once it was judged', async () => {
    let looked = 0
    guard = { ...guard, resolve: async () => [{ address: ++looked === 1 ? PUBLIC : '127.0.0.1', family: 4 }] }
    site.page('/', '<title>t</title>')
    expect(await preview(at('/', 'turning.example'))).toMatchObject({ kind: 'found' })
    expect(looked).toBe(1)
    expect(await preview(at('/', 'turning.example'))).toEqual({ kind: 'nothing' })
    expect(secret.asked).toEqual([])
  })

  test('nor other ports, other protocols, or anything with a password', async () => {
    await using previewer = new HttpUrlPreviewer({ ...guard, log })
    site.page('/', '<title>t</title>')
    expect(await previewer.preview(at('/'), signal)).toEqual({ kind: 'nothing' })
    const url = at('/')
    url.username = 'u'
    expect(await preview(url)).toEqual({ kind: 'nothing' })
    site.redirect('/file', 'file:///etc/passwd')
    expect(await preview(at('/file'))).toEqual({ kind: 'nothing' })
    expect(site.asked).toEqual(['/file'])
  })

  test('by default, without anything that tests put in', async () => {
    await using guarded = createGuardedFetch()
    for (const host of ['127.0.0.1', PUBLIC, 'localhost', '[::1]']) {
      await expect(guarded.fetch(at('/', host), {})).rejects.toMatchObject({ cause: { name: 'ForbiddenDestinationError' } })
    }
    expect([...secret.asked, ...site.asked]).toEqual([])
  })
})

describe('push gateways', () => {
  const body = { notification: { devices: [] } }

  test('are called with JSON, and their answer is read', async () => {
    site.page('/_matrix/push/v1/notify', '{"rejected":["k"]}', { 'content-type': 'application/json' })
    await using gateway = new HttpPushGateway({ ...guard, allowsInsecure: true })
    expect(await gateway.post(at('/_matrix/push/v1/notify'), body, signal)).toEqual({
      kind: 'answered',
      status: 200,
      body: { rejected: ['k'] },
    })
    expect(site.bodies).toEqual([JSON.stringify(body)])
    expect(await gateway.post(at('/none'), body, signal)).toMatchObject({ status: 404 })
    site.redirect('/turn', at('/', '127.0.0.1').href)
    expect(await gateway.post(at('/turn'), body, signal)).toMatchObject({ status: 302 })
    site.page('/page', '<html>')
    site.page('/long', `"${'x'.repeat(100_000)}"`)
    expect(await gateway.post(at('/page'), body, signal)).toEqual({ kind: 'answered', status: 200, body: undefined })
    expect(await gateway.post(at('/long'), body, signal)).toEqual({ kind: 'answered', status: 200, body: undefined })
  })

  test('in the own network, or without TLS, need the leave of the owner', async () => {
    await using careful = new HttpPushGateway({ allowsInsecure: false })
    expect(await careful.post(at('/'), body, signal)).toEqual({ kind: 'unreachable', reason: 'not secure' })
    const secure = new URL(`https://127.0.0.1:${site.port}/`)
    expect(await careful.post(secure, body, signal)).toEqual({ kind: 'unreachable', reason: 'ForbiddenDestinationError' })
    expect(secret.asked).toEqual([])
    await using careless = new HttpPushGateway({ allowsInsecure: true })
    expect(await careless.post(at('/', '127.0.0.1'), body, signal)).toMatchObject({ kind: 'answered', status: 200 })
  })

  test('that are stopped end with the reason', async () => {
    await using gateway = new HttpPushGateway({ ...guard, allowsInsecure: true })
    site.answers.set('/', () => undefined)
    const stopping = new AbortController()
    const asking = gateway.post(at('/'), body, stopping.signal)
    stopping.abort(new Error('stopped'))
    await expect(asking).rejects.toThrow('stopped')
  })
})
