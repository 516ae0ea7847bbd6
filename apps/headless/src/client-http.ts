import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'

/** The Client-Server API on HTTP. Only ever bound to a loopback address: there is no TLS here. */
export interface ClientHttp extends AsyncDisposable {
  readonly port: number
}

/** @throws Error naming the port when it is taken. `port` 0 takes any free one. */
export async function listenForClients(port: number, answer: (request: Request) => Promise<Response>): Promise<ClientHttp> {
  const server = createAdaptorServer({ fetch: answer }) as Server
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, '127.0.0.1', resolve)
  try {
    await promise
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Error(`Port ${port} is taken. Choose another with --client-port.`, { cause: error })
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
