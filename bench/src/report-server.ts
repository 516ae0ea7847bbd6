import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

const reportTimeoutMs = 180_000

export interface ReportServer extends AsyncDisposable {
  readonly url: string
  /** What the page posted to `/report`. */
  readonly report: Promise<unknown>
}

/** A loopback server for a page under measurement: hears its report, and leaves every other request to `serve`. */
export async function startReportServer(serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<ReportServer> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const timer = setTimeout(() => reject(new Error(`the page did not report within ${reportTimeoutMs / 1000} s`)), reportTimeoutMs)
  const server = createServer((request, response) => {
    if (request.method !== 'POST' || request.url !== '/report') {
      serve(request, response)
      return
    }
    text(request).then((body) => resolve(JSON.parse(body)), reject)
    response.end()
  })
  const { promise: listening, resolve: onListening } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', onListening)
  await listening
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    report: promise,
    [Symbol.asyncDispose]() {
      clearTimeout(timer)
      server.closeAllConnections()
      server.close()
      return Promise.resolve()
    },
  }
}
