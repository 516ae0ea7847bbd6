import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Pdu } from './pdu.ts'

const SEVEN_DAYS_MS = 7 * 24 * 60 * 60 * 1000

/**
 * Whether a server's key may have signed the event, as far as its validity goes.
 * @param validUntil `valid_until_ts` of the key, in milliseconds since 1970; undefined for a key that never expires, because the server's
 * name is made of it.
 * @param now milliseconds since 1970: nobody can publish a key that outlives the next seven days.
 * @see https://spec.matrix.org/latest/rooms/v5/#signing-key-validity-period
 */
export function signingKeyCounts(
  pdu: Pick<Pdu, 'origin_server_ts'>,
  version: RoomVersion,
  validUntil: number | undefined,
  now: number,
): boolean {
  if (!version.signingKeyValidityEnforced || validUntil === undefined) return true
  return Math.min(validUntil, now + SEVEN_DAYS_MS) >= pdu.origin_server_ts
}
