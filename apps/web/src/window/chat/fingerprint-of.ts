import { publicKeyFromServerName, sha256 } from '@kith/matrix-protocol'
import type { ServerName } from '@kith/matrix-protocol'

const fingerprintBytes = 16

/**
 * What two people compare to be sure that they mean the same server: half of the SHA-256 of its key, in hexadecimal.
 * 128 bits are enough, since a forger would have to meet a given fingerprint. For names that are no key, the name itself.
 */
export function fingerprintOf(serverName: string): string {
  const key = publicKeyFromServerName(serverName as ServerName)
  if (key === undefined) return serverName
  return Array.from(sha256(key).slice(0, fingerprintBytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
