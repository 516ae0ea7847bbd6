import {
  checkContentHash,
  type EventId,
  eventIdOf,
  eventSigningBytes,
  type Pdu,
  publicKeyFromServerName,
  redact,
  requiredSigners,
  type RoomId,
  roomIdOf,
  type RoomVersion,
  signatureOf,
  SIGNING_KEY_ID,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Crypto } from '../ports/index.ts'

export type VerifiedPdu =
  /** `pdu` is in its redacted form when its content is not what was hashed. Carries no `unsigned`: nobody vouches for that. */
  | { readonly kind: 'valid'; readonly eventId: EventId; readonly pdu: Pdu }
  | { readonly kind: 'invalid'; readonly eventId: EventId; readonly reason: string }

/**
 * Whether an event was made by those who must have made it.
 * @see https://spec.matrix.org/latest/server-server-api/#checks-performed-on-receipt-of-a-pdu steps 2 and 3
 */
export async function verifyPdu(pdu: Pdu, roomId: RoomId, version: RoomVersion, crypto: Crypto): Promise<VerifiedPdu> {
  const eventId = eventIdOf(pdu, version)
  if (roomIdOf(pdu, version) !== roomId) return { kind: 'invalid', eventId, reason: 'event of another room' }
  const message = eventSigningBytes(pdu, version)
  for (const server of requiredSigners(pdu, version)) {
    const publicKey = publicKeyFromServerName(server)
    if (publicKey === undefined) return { kind: 'invalid', eventId, reason: 'the key of a signer is not known' }
    const signature = signatureOf(pdu, server, SIGNING_KEY_ID)
    if (signature === undefined) return { kind: 'invalid', eventId, reason: 'a signature is missing' }
    if (!(await crypto.verify(publicKey, signature, message))) return { kind: 'invalid', eventId, reason: 'a signature is wrong' }
  }
  const { unsigned: _unsigned, ...vouchedFor } = pdu
  return { kind: 'valid', eventId, pdu: checkContentHash(pdu, version) ? vouchedFor : redact(vouchedFor, version) }
}

/** Verifies many at a time, because engines verify in parallel. Results are in the order of the events. */
export async function verifyPdus(
  pdus: readonly Pdu[],
  roomId: RoomId,
  version: RoomVersion,
  crypto: Crypto,
  signal: AbortSignal,
): Promise<VerifiedPdu[]> {
  const verified: VerifiedPdu[] = []
  for (let start = 0; start < pdus.length; start += limits.implementation.verifyAtOnceMax) {
    signal.throwIfAborted()
    const group = pdus.slice(start, start + limits.implementation.verifyAtOnceMax)
    verified.push(...(await Promise.all(group.map(async (pdu) => verifyPdu(pdu, roomId, version, crypto)))))
  }
  return verified
}
