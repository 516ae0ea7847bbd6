import { decodeBase64, encodeBase64 } from '@kith/matrix-protocol'
import { scrypt } from '@noble/hashes/scrypt.js'
import type { Random } from '../ports/random.ts'

/** A password as it is stored: scrypt's output with the salt and costs that made it. */
export interface PasswordHash {
  readonly kind: 'scrypt'
  readonly salt: string
  readonly hash: string
  readonly costLog2: number
}

const blockSize = 8
const parallelism = 1
const hashLength = 32

/**
 * scrypt is memory-hard and, unlike WebCrypto's PBKDF2, takes the same steps in a simulated world as in a worker.
 * It blocks for about a tenth of a second at the production cost, at registrations, log-ins and confirmations only.
 */
export function hashPassword(password: string, costLog2: number, random: Random): PasswordHash {
  const salt = random.bytes(16)
  return { kind: 'scrypt', salt: encodeBase64(salt), hash: encodeBase64(derive(password, salt, costLog2)), costLog2 }
}

export function verifyPassword(password: string, stored: PasswordHash): boolean {
  const salt = decodeBase64(stored.salt)
  const expected = decodeBase64(stored.hash)
  if (salt === undefined || expected === undefined) return false
  const actual = derive(password, salt, stored.costLog2)
  // Every byte is compared, so that the time taken tells nothing.
  let difference = actual.length ^ expected.length
  for (let index = 0; index < actual.length; index++) difference |= (actual[index] ?? 0) ^ (expected[index] ?? 0)
  return difference === 0
}

function derive(password: string, salt: Uint8Array, costLog2: number): Uint8Array {
  return scrypt(password.normalize('NFC'), salt, { N: 2 ** costLog2, r: blockSize, p: parallelism, dkLen: hashLength })
}
