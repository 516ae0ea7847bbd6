import type { JsonObject } from '@kith/matrix-protocol'

export type PushGatewayOutcome =
  /** `body` is undefined when it is not JSON, or too long. */
  { readonly kind: 'answered'; readonly status: number; readonly body: unknown } | { readonly kind: 'unreachable'; readonly reason: string }

/**
 * Calls the push gateways that clients name.
 *
 * Invariants:
 * 1. Nobody in the network of this node is called, whatever a name resolves to, unless the node's owner has allowed it.
 * 2. Settles within bounded time, and follows no redirects. Throws only the signal's reason.
 */
export interface PushGateway {
  /** Whether the owner allows gateways without TLS and in the node's own network. */
  readonly allowsInsecure: boolean
  post(url: URL, body: JsonObject, signal: AbortSignal): Promise<PushGatewayOutcome>
}
