import { fetchFromNode } from '../node-port/fetch-from-node.ts'
import { errorResponse, fromPlainResponse, toPlainRequest } from '../node-port/plain-http.ts'
import { clampPoll } from './clamp-poll.ts'
import { serviceWorkerLimits } from './limits.ts'
import type { NodeBroker } from './node-broker.ts'

/** The paths that belong to the homeserver. */
export function isNodePath(pathname: string): boolean {
  return pathname.startsWith('/_matrix/') || pathname.startsWith('/.well-known/matrix/')
}

/** Never fails: a client hears of a missing node by a Matrix error. */
export async function answerFromNode(request: Request, broker: NodeBroker): Promise<Response> {
  try {
    const plain = await toPlainRequest(request)
    const clamped = { ...plain, url: clampPoll(plain.url, serviceWorkerLimits.pollMsMax) }
    const findNode = (signal: AbortSignal) => broker.ready(AbortSignal.any([signal, AbortSignal.timeout(serviceWorkerLimits.nodeWithinMs)]))
    return await fetchFromNode(clamped, findNode, request.signal)
  } catch (error) {
    if (request.signal.aborted) throw error
    const message = error instanceof TypeError ? error.message : 'No tab of Kith is open in this browser.'
    return fromPlainResponse(errorResponse(503, 'M_UNKNOWN', message))
  }
}
