export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Whether an already parsed JSON value is an object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The object's own member, or undefined. Plain indexing would also find what every object inherits, and names like
 * `constructor` come from the network.
 */
export function ownMember(object: object | undefined, key: string): unknown {
  return object !== undefined && Object.hasOwn(object, key) ? (object as Record<string, unknown>)[key] : undefined
}

/** As ownMember; undefined as well when the member is no text. */
export function ownString(object: object | undefined, key: string): string | undefined {
  const value = ownMember(object, key)
  return typeof value === 'string' ? value : undefined
}

/** As ownMember; undefined as well when the member is no object. */
export function ownObject(object: object | undefined, key: string): JsonObject | undefined {
  const value = ownMember(object, key)
  return isJsonObject(value) ? value : undefined
}

/** Undefined as well when the member is no integer of the range that canonical JSON allows. */
export function ownInteger(object: object | undefined, key: string): number | undefined {
  const value = ownMember(object, key)
  return isCanonicalInteger(value) ? value : undefined
}

/**
 * Canonical JSON knows integers from -(2^53 - 1) to 2^53 - 1, and no other numbers.
 * @see https://spec.matrix.org/latest/appendices/#canonical-json
 */
export function isCanonicalInteger(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
