import { isJsonObject, type JsonObject, type JsonValue, ownMember } from '@kith/matrix-protocol'

/**
 * The names of a dotted path. Dots and backslashes within a name are escaped by a backslash, which otherwise stands for itself.
 * @see https://spec.matrix.org/latest/appendices/#dot-separated-property-paths
 */
export function parsePropertyPath(path: string): string[] {
  const names: string[] = []
  let name = ''
  for (let index = 0; index < path.length; index++) {
    const character = path[index] ?? ''
    const next = path[index + 1]
    if (character === '\\' && (next === '.' || next === '\\')) {
      name += next
      index++
    } else if (character === '.') {
      names.push(name)
      name = ''
    } else name += character
  }
  return [...names, name]
}

export function propertyAt(object: JsonObject, names: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object
  for (const name of names) {
    if (!isJsonObject(value)) return undefined
    value = ownMember(value, name) as JsonValue | undefined
  }
  return value
}
