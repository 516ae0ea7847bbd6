import { nodePortLimits } from './limits.ts'
import type { PlainRequest } from './messages.ts'
import { NodeConnectionLostError, type NodePortClient } from './node-port-client.ts'
import { fromPlainResponse } from './plain-http.ts'
import { isRepeatable } from './repeatable-request.ts'

/** Resolves to a live connection as soon as there is one; rejects when there will be none, or with the signal's reason. */
export type FindNode = (signal: AbortSignal) => Promise<NodePortClient>

/**
 * Asks the node over whichever connection there is. A request whose connection is lost moves to the next one when it is
 * repeatable; otherwise it fails as a network failure does, with a TypeError.
 */
export async function fetchFromNode(request: PlainRequest, findNode: FindNode, signal: AbortSignal): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await findNode(signal)
    try {
      return fromPlainResponse(await client.request(request, signal))
    } catch (error) {
      if (!(error instanceof NodeConnectionLostError)) throw error
      if (attempt >= nodePortLimits.attemptsMax || !isRepeatable(request.method, request.url)) {
        throw new TypeError('The connection to the homeserver was lost.', { cause: error })
      }
    }
  }
}
