import type { StoredValue } from '@kith/homeserver/ports'

/**
 * An independent, deeply frozen copy of a JSON value, or a copy of bytes. Members that are `undefined` disappear, as they do in JSON.
 * @throws TypeError for anything that is neither JSON nor bytes, so that no engine stores what another would refuse.
 */
export function copyStoredValue(value: StoredValue): StoredValue {
  if (value instanceof Uint8Array) return value.slice()
  return copyJson(value) as StoredValue
}

function copyJson(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('only finite numbers can be stored')
      return value
    case 'object':
      return value === null ? null : copyComposite(value)
    default:
      throw new TypeError(`a ${typeof value} cannot be stored`)
  }
}

function copyComposite(value: object): object {
  if (Array.isArray(value)) return Object.freeze(value.map(copyJson))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('only plain objects can be stored')
  const copy: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue
    // A member named `__proto__` comes from hostile JSON: assigning it would change the prototype instead of storing it.
    if (name === '__proto__') Object.defineProperty(copy, name, { value: copyJson(member), enumerable: true })
    else copy[name] = copyJson(member)
  }
  return Object.freeze(copy)
}
