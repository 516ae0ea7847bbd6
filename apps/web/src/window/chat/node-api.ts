import { isJsonObject } from '@kith/matrix-protocol'
import type { JsonObject } from '@kith/matrix-protocol'

/** The node answered with a Matrix error. */
export class NodeRefusal extends Error {
  override readonly name = 'NodeRefusal'
  readonly status: number
  readonly errcode: string
  readonly body: JsonObject

  constructor(status: number, body: JsonObject) {
    super(typeof body['error'] === 'string' ? body['error'] : `The node answered with ${status}.`)
    this.status = status
    this.errcode = typeof body['errcode'] === 'string' ? body['errcode'] : 'M_UNKNOWN'
    this.body = body
  }
}

export interface NodeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Under `/_matrix/client/`, with the query. */
  readonly path: string
  readonly accessToken?: string | undefined
  readonly body?: JsonObject
  readonly signal: AbortSignal
}

export type NodeRequester = (request: NodeRequest) => Promise<JsonObject>

/**
 * Asks the own node without the Matrix SDK, which is loaded later.
 * Throws NodeRefusal for Matrix errors, TypeError when the node cannot be reached, the signal's reason on abort.
 */
export function nodeRequester(fetch: typeof globalThis.fetch): NodeRequester {
  return async ({ method, path, accessToken, body, signal }) => {
    const headers = new Headers()
    if (accessToken !== undefined) headers.set('Authorization', `Bearer ${accessToken}`)
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    const response = await fetch(`${location.origin}/_matrix/client/${path}`, {
      method,
      headers,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = await readJson(response)
    if (!response.ok) throw new NodeRefusal(response.status, answer)
    return answer
  }
}

async function readJson(response: Response): Promise<JsonObject> {
  try {
    const value: unknown = await response.json()
    return isJsonObject(value) ? value : {}
  } catch (error) {
    // A network failure while the body is read is none of a bad body.
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
