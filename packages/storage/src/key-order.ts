import type { Key, KeyPart, RangeQuery } from '@kith/homeserver/ports'

/** Numbers before strings, numbers by value, strings by UTF-16 code unit, a shorter tuple before its extensions. */
export function compareKeys(a: Key, b: Key): number {
  for (const [index, part] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    const order = compareParts(part, other)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareParts(a: KeyPart, b: KeyPart): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

export function hasPrefix(key: Key, prefix: Key): boolean {
  if (key.length < prefix.length) return false
  return prefix.every((part, index) => part === key[index])
}

/** @throws TypeError for a key that the storage port does not allow; the same on every engine. */
export function assertKey(key: Key): void {
  for (const part of key) {
    if (typeof part === 'number' ? !(Number.isSafeInteger(part) && part >= 0) : typeof part !== 'string') {
      throw new TypeError('a key part must be a string or a non-negative safe integer')
    }
  }
}

/** @throws TypeError for a query without a usable bound. */
export function assertRange(query: RangeQuery): void {
  if (!Number.isSafeInteger(query.limit) || query.limit < 0) throw new TypeError('a range needs a limit')
  for (const key of [query.prefix, query.after, query.before]) if (key !== undefined) assertKey(key)
}
