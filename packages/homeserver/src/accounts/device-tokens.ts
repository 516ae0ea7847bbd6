/** An access token, and what it is renewed with. Tokens are known by their hashes. */
export interface TokenPair {
  readonly access: string
  /** Milliseconds since the epoch; absent for a token that lasts until its device goes. */
  readonly expiresAt?: number
  /** Absent for clients that do not renew. */
  readonly refresh?: string
}

/**
 * What opens a session of one device.
 *
 * Invariant: `next` was handed out and not used yet. The client may never have got it, so `current` goes on working until it is used.
 * @see https://spec.matrix.org/latest/client-server-api/#refreshing-access-tokens
 */
export interface DeviceTokens {
  readonly current: TokenPair
  readonly next?: TokenPair
}

export function hashesOf(tokens: DeviceTokens): readonly string[] {
  return [tokens.current, ...(tokens.next === undefined ? [] : [tokens.next])].flatMap(({ access, refresh }) =>
    refresh === undefined ? [access] : [access, refresh],
  )
}

/**
 * What a device has once `refresh` was used to get `fresh`; undefined when it is no refresh token of this device.
 * A repetition with the older token takes back the answer that seems to have been lost.
 */
export function refreshTokens(tokens: DeviceTokens, refresh: string, fresh: TokenPair): DeviceTokens | undefined {
  if (tokens.next?.refresh === refresh) return { current: tokens.next, next: fresh }
  return tokens.current.refresh === refresh ? { current: tokens.current, next: fresh } : undefined
}

/** How an access token stands to a device. The use of `next` must be confirmed before it opens anything. */
export function judgeAccess(tokens: DeviceTokens, access: string, now: number): 'valid' | 'to-confirm' | 'expired' | 'unknown' {
  const pair = [tokens.current, tokens.next].find((candidate) => candidate?.access === access)
  if (pair === undefined) return 'unknown'
  if (pair.expiresAt !== undefined && pair.expiresAt <= now) return 'expired'
  return pair === tokens.next ? 'to-confirm' : 'valid'
}

/** The client has its new tokens: the older ones end. */
export function confirmTokens(tokens: DeviceTokens): DeviceTokens {
  return { current: tokens.next ?? tokens.current }
}
