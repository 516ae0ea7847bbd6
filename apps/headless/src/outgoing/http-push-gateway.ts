import type { PushGateway, PushGatewayOutcome } from '@kith/homeserver/ports'
import { limits } from '../limits.ts'
import { createGuardedFetch, type GuardedFetch, type GuardOptions } from './guarded-fetch.ts'
import { readBounded } from './read-bounded.ts'

/** Push gateways over HTTP. `allowsInsecure`: also without TLS, and in the node's own network. */
export class HttpPushGateway implements PushGateway, AsyncDisposable {
  readonly allowsInsecure: boolean
  readonly #guarded: GuardedFetch

  constructor({ allowsInsecure, ...guard }: { readonly allowsInsecure: boolean } & GuardOptions) {
    this.allowsInsecure = allowsInsecure
    this.#guarded = createGuardedFetch({ ...(allowsInsecure ? { mayConnectTo: () => true } : {}), ...guard })
  }

  async post(url: URL, body: object, signal: AbortSignal): Promise<PushGatewayOutcome> {
    // The owner may have forbidden since then what was allowed when the pusher was set.
    if (url.protocol !== 'https:' && !this.allowsInsecure) return { kind: 'unreachable', reason: 'not secure' }
    try {
      const response = await this.#guarded.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(limits.pushTimeoutMs)]),
      })
      return { kind: 'answered', status: response.status, body: parsedJson(await readBounded(response, limits.pushAnswerBytesMax)) }
    } catch (error) {
      signal.throwIfAborted()
      return { kind: 'unreachable', reason: reasonOf(error) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guarded[Symbol.asyncDispose]()
  }
}

function parsedJson(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/** fetch tells why in the cause of its error; the message may name the address. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : undefined
  return cause instanceof Error ? cause.name : 'unknown'
}
