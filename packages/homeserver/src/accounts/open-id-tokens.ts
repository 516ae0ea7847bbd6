import {
  decodeBase64Url,
  decodeUtf8,
  encodeBase64Url,
  encodeUtf8,
  ownInteger,
  ownString,
  parseUserId,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Crypto } from '../ports/crypto.ts'
import type { Random } from '../ports/random.ts'

const PREFIX = 'kith_openid_'
/** No JSON begins like this, so no signature over a token passes for one over an event, and the other way round. */
const SIGNED_PREFIX = 'im.kith.openid-token\n'

/**
 * Tokens with which a user proves who they are to others. They carry what they say, signed by this server, so that none is stored and all
 * outlive a restart. They open nothing here.
 * @see https://spec.matrix.org/latest/client-server-api/#openid
 */
export class OpenIdTokens {
  readonly #crypto: Crypto
  readonly #clock: Clock
  readonly #random: Random

  constructor(ports: { readonly crypto: Crypto; readonly clock: Clock; readonly random: Random }) {
    this.#crypto = ports.crypto
    this.#clock = ports.clock
    this.#random = ports.random
  }

  async issue(userId: UserId): Promise<{ readonly token: string; readonly lifetimeMs: number }> {
    const lifetimeMs = limits.implementation.openIdTokenLifetimeMs
    const claims = { sub: userId, expires: this.#clock.now() + lifetimeMs, nonce: encodeBase64Url(this.#random.bytes(9)) }
    const payload = encodeBase64Url(encodeUtf8(JSON.stringify(claims)))
    const signature = await this.#crypto.sign(encodeUtf8(SIGNED_PREFIX + payload))
    return { token: `${PREFIX}${payload}.${encodeBase64Url(signature)}`, lifetimeMs }
  }

  /** Whose token it is; undefined when it is none of this server's, or expired. */
  async verify(token: string): Promise<UserId | undefined> {
    if (!token.startsWith(PREFIX) || token.length > limits.implementation.openIdTokenCharactersMax) return undefined
    const [payload = '', signatureText = ''] = token.slice(PREFIX.length).split('.')
    const signature = decodeBase64Url(signatureText)
    if (signature === undefined) return undefined
    if (!(await this.#crypto.verify(this.#crypto.publicKey, signature, encodeUtf8(SIGNED_PREFIX + payload)))) return undefined
    const claims: unknown = JSON.parse(decodeUtf8(decodeBase64Url(payload) ?? new Uint8Array()) ?? '{}')
    if (typeof claims !== 'object' || claims === null) return undefined
    const expires = ownInteger(claims, 'expires') ?? 0
    return expires > this.#clock.now() ? parseUserId(ownString(claims, 'sub')) : undefined
  }
}
