import type { JsonObject } from '@kith/matrix-protocol'

export interface AppServiceCall {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly url: URL
  /** The `hs_token`, by which the service knows its homeserver. */
  readonly token: string
  readonly body?: JsonObject
}

export type AppServiceAnswer =
  /** `body` is undefined when it is not JSON, or too long; `text` is what came, cut off where it is long. */
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown; readonly text: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'unreachable'; readonly reason: string }

/**
 * Calls the application services that the node's operator has registered. Their addresses are the operator's own words, so they may lie
 * in the node's own network.
 *
 * Invariant: settles within bounded time, and follows no redirects. Throws only the signal's reason.
 */
export interface AppServiceClient {
  request(call: AppServiceCall, signal: AbortSignal): Promise<AppServiceAnswer>
}
