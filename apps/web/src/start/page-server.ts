import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import sirv from 'sirv'
import { StartError } from './settings.ts'

const HOST = '127.0.0.1'

/**
 * `wasm-unsafe-eval`: the crypto engine. Styles: the component library sets them on elements. Connections: relays are wherever people
 * chose them to be. Images and media: shown from what was decrypted in the page.
 */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** What the page is told at its start. */
export interface PageConfig {
  /** Multiaddrs. */
  readonly relays: readonly string[]
}

export interface PageServerOptions {
  readonly directory: string
  readonly port: number
  /** What `/kith-config.json` says, asked anew for each request; undefined while there is nothing to say yet. */
  readonly config: () => PageConfig | undefined
}

export interface PageServer extends AsyncDisposable {
  readonly port: number
}

/** Serves the built page on loopback. @throws StartError when the port is taken. */
export async function servePage({ directory, port, config }: PageServerOptions): Promise<PageServer> {
  const serveFile = sirv(directory, { etag: true, setHeaders: (response, pathname) => setCaching(response, pathname) })
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    setSecurity(response)
    const path = request.url?.split('?', 1)[0]
    if (path === '/kith-config.json') sendConfig(response, config())
    else serveFile(request, response, () => sendMissing(response))
  }
  const server = createServer(answer)
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, HOST, resolve)
  try {
    await listening
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new StartError(`Port ${port} is taken. Choose another with PORT, for example: PORT=${port + 10} npm start`)
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done))
      server.closeAllConnections()
      await closed
    },
  }
}

function setSecurity(response: ServerResponse): void {
  response.setHeader('content-security-policy', contentSecurityPolicy)
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-opener-policy', 'same-origin')
}

/** Built assets carry a hash of their content in their name; everything else is asked for each time. */
function setCaching(response: ServerResponse, pathname: string): void {
  response.setHeader('cache-control', pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
}

function sendConfig(response: ServerResponse, config: PageConfig | undefined): void {
  if (config === undefined) sendJson(response, 503, { error: 'The relay is starting.' })
  else sendJson(response, 200, config)
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(value))
}

/** A request of a Matrix client lands here when the page's service worker is not there: it gets the error that it understands. */
function sendMissing(response: ServerResponse): void {
  sendJson(response, 404, { errcode: 'M_UNRECOGNIZED', error: 'The homeserver runs in the page, not here.' })
}
