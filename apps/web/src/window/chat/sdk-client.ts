import { MatrixClient, MemoryStore } from 'matrix-js-sdk'
import { logger as sdkLogger } from 'matrix-js-sdk/lib/logger.js'
import type { Logger } from 'matrix-js-sdk/lib/logger.js'
import type { Session } from './chat-database.ts'

/** The SDK's own database names; a client opens no other ones. */
export const cryptoDatabaseNames = ['matrix-js-sdk::matrix-sdk-crypto', 'matrix-js-sdk::matrix-sdk-crypto-meta'] as const

/**
 * The SDK's client for the own node. Without a scheduler: the outbox decides when a message is sent, in what order, and
 * when again.
 */
export function createSdkClient(session: Session, fetchFn: typeof globalThis.fetch): MatrixClient {
  quietenSdk()
  return new MatrixClient({
    baseUrl: location.origin,
    fetchFn,
    userId: session.userId,
    deviceId: session.deviceId,
    accessToken: session.accessToken,
    store: new MemoryStore(),
    disableVoip: true,
    logger: errorsOnly,
  })
}

/** The SDK logs event ids, room ids and requests in detail. Only its errors are of use to others. */
const errorsOnly: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: sdkLogger.error,
  getChild: () => errorsOnly,
}

/** The same for the parts of the SDK that do not ask for a logger. */
function quietenSdk(): void {
  const settable = sdkLogger as typeof sdkLogger & { readonly setLevel?: (level: string, persist: boolean) => void }
  settable.setLevel?.('error', false)
}
