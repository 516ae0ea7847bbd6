import { Agent, request as startRequest } from 'node:http'
import { text } from 'node:stream/consumers'

/** The server ends a connection that was idle for 5 s. Long before, none is used any more that may be ending at this moment. */
const agentKeepAliveTimeoutBuffer = 4_000

/**
 * Calls a server of this machine, each caller on a connection that stays open. `fetch` would do, but takes as much of the processor for a
 * request as the server does, which has to share the machine with who measures it.
 */
export function callOverHttp(baseUrl: string): (request: Request) => Promise<Response> {
  const agent = new Agent({ keepAlive: true, agentKeepAliveTimeoutBuffer })
  return async (request) => {
    const { pathname, search } = new URL(request.url)
    const body = request.body === null ? undefined : await request.text()
    const headers = Object.fromEntries(request.headers)
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    const outgoing = startRequest(`${baseUrl}${pathname}${search}`, { agent, method: request.method, headers }, (incoming) => {
      text(incoming).then((answer) => resolve(new Response(answer, { status: incoming.statusCode ?? 0 })), reject)
    })
    outgoing.once('error', reject)
    outgoing.end(body)
    return promise
  }
}
