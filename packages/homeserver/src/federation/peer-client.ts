import { isJsonObject, type JsonObject, publicKeyFromServerName, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import { type PeerNetwork, PeerUnreachableError } from '../ports/peer-network.ts'
import { BodyTooLargeError, readBoundedText } from './bounded-body.ts'
import { parseBoundedJson } from './bounded-json.ts'
import { DeadlineError, withDeadline } from './deadline.ts'

export interface PeerCall {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path and query, parts already encoded. */
  readonly path: string
  readonly body?: JsonObject
  readonly timeoutMs?: number
}

/** What came of asking another server. */
export type PeerAnswer =
  | { readonly kind: 'ok'; readonly body: JsonObject }
  /** It said no (4xx). The strings are bounded. */
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly errcode: string
      readonly reason: string
      readonly members: JsonObject
    }
  /** It could not (5xx), or what it answered is no JSON object. */
  | { readonly kind: 'failed'; readonly reason: string; readonly errcode?: string }
  /** No connection, or no answer in time: it may have processed the request. */
  | { readonly kind: 'unreachable'; readonly reason: string }

/** Asks other servers, bounded in time and in the size of their answers. */
export class PeerClient {
  readonly #network: PeerNetwork
  readonly #clock: Clock

  constructor(ports: { readonly network: PeerNetwork; readonly clock: Clock }) {
    this.#network = ports.network
    this.#clock = ports.clock
  }

  /**
   * Asks for something that is too long to be read whole. The call's time is for the head, or for the whole of an error; the caller bounds
   * that of the body, by the signal.
   * @throws only the signal's reason.
   */
  async stream(server: ServerName, call: PeerCall & { readonly timeoutMs: number }, signal: AbortSignal): Promise<PeerStream> {
    if (!isNamedByKey(server)) return noSuchPeer
    try {
      return await withDeadline(this.#clock, call.timeoutMs, signal, async (bounded): Promise<PeerStream> => {
        const response = await this.#network.request(server, requestOf(server, call), bounded)
        if (response.ok) return { kind: 'ok', response }
        const answer = await answerOf(response)
        return answer.kind === 'ok' ? { kind: 'failed', reason: 'the status and the answer do not fit' } : answer
      })
    } catch (error) {
      return failureOf(error, signal)
    }
  }

  /** @throws only the signal's reason. */
  async call(server: ServerName, call: PeerCall, signal: AbortSignal): Promise<PeerAnswer> {
    if (!isNamedByKey(server)) return noSuchPeer
    const timeoutMs = call.timeoutMs ?? limits.implementation.peerRequestTimeoutMs
    try {
      return await withDeadline(this.#clock, timeoutMs, signal, async (bounded) => {
        const response = await this.#network.request(server, requestOf(server, call), bounded)
        return await answerOf(response)
      })
    } catch (error) {
      return failureOf(error, signal)
    }
  }
}

/** Asking again later would not help, so this is no server out of reach. */
const noSuchPeer = {
  kind: 'refused',
  status: 404,
  errcode: 'M_NOT_FOUND',
  reason: 'Only servers that are named by their key can be asked',
  members: {},
} as const

function isNamedByKey(server: ServerName): boolean {
  return publicKeyFromServerName(server) !== undefined
}

/** The head of another server's answer; its body is still to be read. */
export type PeerStream = { readonly kind: 'ok'; readonly response: Response } | Exclude<PeerAnswer, { kind: 'ok' }>

function failureOf(error: unknown, signal: AbortSignal): Exclude<PeerAnswer, { kind: 'ok' | 'refused' }> {
  signal.throwIfAborted()
  if (error instanceof PeerUnreachableError) return { kind: 'unreachable', reason: error.message }
  if (error instanceof DeadlineError) return { kind: 'unreachable', reason: 'no answer in time' }
  if (error instanceof BodyTooLargeError) return { kind: 'failed', reason: 'the answer is too large' }
  // A connection that breaks while the answer is read surfaces as the transport's own error.
  return { kind: 'unreachable', reason: error instanceof Error ? error.name : 'unknown' }
}

function requestOf(server: ServerName, call: PeerCall): Request {
  const url = `https://${server}${call.path}`
  if (call.body === undefined) return new Request(url, { method: call.method })
  return new Request(url, { method: call.method, body: JSON.stringify(call.body), headers: { 'content-type': 'application/json' } })
}

async function answerOf(response: Response): Promise<PeerAnswer> {
  const text = await readBoundedText(response.body, limits.implementation.peerResponseBytesMax)
  const body = parseObject(text)
  if (response.ok) return body === undefined ? { kind: 'failed', reason: 'the answer is no JSON object' } : { kind: 'ok', body }
  if (response.status < 400 || response.status >= 500) {
    return { kind: 'failed', reason: `status ${response.status}`, errcode: boundedString(body?.['errcode'], 'M_UNKNOWN') }
  }
  return {
    kind: 'refused',
    status: response.status,
    errcode: boundedString(body?.['errcode'], 'M_UNKNOWN'),
    reason: boundedString(body?.['error'], 'The other server refused'),
    members: body ?? {},
  }
}

function parseObject(text: string): JsonObject | undefined {
  const parsed = parseBoundedJson(text)
  if (parsed.kind !== 'ok') return undefined
  // The first versions of the membership endpoints answer `[200, {…}]`.
  const items = Array.isArray(parsed.value) ? (parsed.value as readonly unknown[]) : []
  const value = items[0] === 200 ? items[1] : parsed.value
  return isJsonObject(value) ? value : undefined
}

function boundedString(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value.slice(0, limits.implementation.peerErrorCharactersMax) : otherwise
}
