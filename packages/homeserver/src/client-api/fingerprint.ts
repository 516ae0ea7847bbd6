import { encodeUtf8, type ServerName, sha256 } from '@kith/matrix-protocol'

const groups = 6
const digitsPerGroup = 5

/** A server name for people to compare: thirty digits of its hash, about a hundred bits. */
export function fingerprintOf(serverName: ServerName): string {
  let number = 0n
  for (const byte of sha256(encodeUtf8(serverName))) number = number * 256n + BigInt(byte)
  const digits = (number % 10n ** BigInt(groups * digitsPerGroup)).toString().padStart(groups * digitsPerGroup, '0')
  return Array.from({ length: groups }, (_, index) => digits.slice(index * digitsPerGroup, (index + 1) * digitsPerGroup)).join(' ')
}
