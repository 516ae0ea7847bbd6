import { browserClock } from '../../src/homeserver-worker/browser-ports.ts'
import type { NodeStartStep } from '../../src/node-port/messages.ts'

/** Stands in for start-homeserver.ts: says which worker answered and what it saw. */
export async function startHomeserver(report: (step: NodeStartStep) => void) {
  report('opening-identity')
  const worker = crypto.randomUUID()
  let held = 0
  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url)
    const body = await request.arrayBuffer()
    if (url.pathname.endsWith('/slow')) await browserClock.sleep(Number(url.searchParams.get('wait')), request.signal)
    if (url.pathname.endsWith('/held') && url.searchParams.get('by') === worker) {
      held += 1
      await browserClock.sleep(10 * 60_000, request.signal)
    }
    if (url.pathname.endsWith('/bytes')) return new Response(body, { headers: { 'content-type': 'application/octet-stream' } })
    return Response.json({
      worker,
      held,
      method: request.method,
      path: url.pathname + url.search,
      authorization: request.headers.get('authorization'),
    })
  }
  return { serverName: 'k51test', answer }
}
