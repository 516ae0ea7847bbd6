import { encodeUtf8, publicKeyFromServerName, type ServerName, sha256 } from '@kith/matrix-protocol'

const fingerprintBytes = 16

/**
 * What two people compare to be sure that they mean the same server: half of the SHA-256 of its key, in hexadecimal.
 * 128 bits are enough, since a forger would have to meet a given fingerprint.
 */
export function fingerprintOf(serverName: ServerName): string {
  return sha256(publicKeyFromServerName(serverName) ?? encodeUtf8(serverName))
    .slice(0, fingerprintBytes)
    .toHex()
}
