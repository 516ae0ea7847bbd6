/*
 * Assertions that run wherever the engines run, browsers included.
 */

export function assertEqual(actual: unknown, expected: unknown): void {
  if (!isDeepEqual(actual, expected)) throw new Error(`expected ${describeValue(expected)}, got ${describeValue(actual)}`)
}

/** Resolves with what was thrown. */
export async function assertRejects(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  throw new Error('expected a rejection')
}

export function isDeepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, index) => byte === b[index])
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => isDeepEqual((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]))
}

function describeValue(value: unknown): string {
  const text = value instanceof Uint8Array ? `bytes ${value.slice(0, 32).toHex()}` : (JSON.stringify(value) ?? 'undefined')
  return text.length > 500 ? `${text.slice(0, 500)}… (${text.length} characters)` : text
}
