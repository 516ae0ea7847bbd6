import { encodeUtf8 } from '../bytes/utf8.ts'
import { protocolLimits } from '../limits.ts'
import { isCanonicalInteger, type JsonObject, type JsonValue } from './json-value.ts'
import { pythonNumber } from './python-number.ts'

/** The value has no canonical JSON: a number that is no exact integer, text that is no Unicode, or too deep a nesting. */
export class CanonicalJsonError extends Error {
  override readonly name = 'CanonicalJsonError'
}

const depthMax = protocolLimits.implementation.jsonDepthMax

/**
 * Canonical JSON: no white space, keys in the order of their Unicode code points, integers only, shortest escapes.
 * Members that are undefined are left out, as in JSON.stringify.
 * @see https://spec.matrix.org/latest/appendices/#canonical-json
 * @throws CanonicalJsonError
 */
export function canonicalJson(value: JsonValue): string {
  return encodeValue(value, 0, strictNumber)
}

/** @throws CanonicalJsonError @see https://spec.matrix.org/latest/appendices/#canonical-json */
export function canonicalJsonBytes(value: JsonValue): Uint8Array<ArrayBuffer> {
  return encodeUtf8(canonicalJson(value))
}

/**
 * The same for events of rooms that do not enforce it: other numbers are written too, in the form in which they were hashed.
 * What is canonical JSON in the strict sense comes out the same from both.
 * @see https://spec.matrix.org/latest/rooms/v1/#canonical-json
 * @throws CanonicalJsonError
 */
export function laxCanonicalJsonBytes(value: JsonValue): Uint8Array<ArrayBuffer> {
  return encodeUtf8(encodeValue(value, 0, laxNumber))
}

type NumberEncoder = (value: number) => string

function strictNumber(value: number): string {
  if (!isCanonicalInteger(value)) throw new CanonicalJsonError('Numbers must be integers of at most 53 bits')
  return value === 0 ? '0' : String(value)
}

function laxNumber(value: number): string {
  const text = pythonNumber(value)
  if (text === undefined) throw new CanonicalJsonError('Numbers must be finite')
  return text
}

function encodeValue(value: unknown, depth: number, encodeNumber: NumberEncoder): string {
  switch (typeof value) {
    case 'string':
      return encodeString(value)
    case 'number':
      return encodeNumber(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      break
    default:
      throw new CanonicalJsonError(`A ${typeof value} is no JSON`)
  }
  if (value === null) return 'null'
  if (depth >= depthMax) throw new CanonicalJsonError(`JSON may be nested ${depthMax} levels deep`)
  return Array.isArray(value) ? encodeArray(value, depth + 1, encodeNumber) : encodeObject(value as JsonObject, depth + 1, encodeNumber)
}

function encodeArray(array: readonly unknown[], depth: number, encodeNumber: NumberEncoder): string {
  let text = '['
  for (let index = 0; index < array.length; index++) {
    if (index > 0) text += ','
    text += encodeValue(array[index], depth, encodeNumber)
  }
  return `${text}]`
}

function encodeObject(object: JsonObject, depth: number, encodeNumber: NumberEncoder): string {
  let text = ''
  for (const key of sortByCodePoint(Object.keys(object))) {
    const member: unknown = object[key]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${encodeString(key)}:${encodeValue(member, depth, encodeNumber)}`
  }
  return `{${text}}`
}

function encodeString(text: string): string {
  // A lone surrogate has no UTF-8; JSON.stringify would write it as an escape, which others read as another string.
  if (!text.isWellFormed()) throw new CanonicalJsonError('Text must be well-formed Unicode')
  return JSON.stringify(text)
}

const AT_OR_ABOVE_SURROGATES = /[\ud800-\uffff]/

function sortByCodePoint(keys: string[]): string[] {
  // The order of UTF-16 units is that of code points unless surrogates meet units above them.
  return keys.some((key) => AT_OR_ABOVE_SURROGATES.test(key)) ? keys.sort(compareCodePoints) : keys.sort()
}

/**
 * Orders text by Unicode code points, where JavaScript's own comparison orders by UTF-16 units.
 * @see https://spec.matrix.org/latest/appendices/#canonical-json
 */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return codePointRank(a) - codePointRank(b)
  }
  return left.length - right.length
}

/** Lifts surrogates, which stand for code points from U+10000, above all other units. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
