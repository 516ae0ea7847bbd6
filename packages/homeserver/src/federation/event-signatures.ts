import {
  eventSigningBytes,
  type Pdu,
  publicKeyFromServerName,
  requiredSigners,
  type RoomVersion,
  signatureOf,
  SIGNING_KEY_ID,
} from '@kith/matrix-protocol'
import type { Crypto } from '../ports/crypto.ts'

/** Whether everybody who must has signed the event. */
export async function isEventSigned(crypto: Crypto, pdu: Pdu, version: RoomVersion): Promise<boolean> {
  const message = eventSigningBytes(pdu, version)
  for (const server of requiredSigners(pdu, version)) {
    const key = publicKeyFromServerName(server)
    const signature = signatureOf(pdu, server, SIGNING_KEY_ID)
    if (key === undefined || signature === undefined || !(await crypto.verify(key, signature, message))) return false
  }
  return true
}
