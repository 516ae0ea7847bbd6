import type { JsonValue } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'

export type BoundedJson = { readonly kind: 'ok'; readonly value: JsonValue } | { readonly kind: 'not-json' } | { readonly kind: 'too-deep' }

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING = new Set([0x5b, 0x7b])
const CLOSING = new Set([0x5d, 0x7d])

/** Parses JSON of other servers. */
export function parseBoundedJson(text: string): BoundedJson {
  if (isTooDeep(text)) return { kind: 'too-deep' }
  try {
    const value = JSON.parse(text) as JsonValue
    return { kind: 'ok', value }
  } catch {
    return { kind: 'not-json' }
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (inString) {
      if (unit === BACKSLASH) index++
      else if (unit === QUOTE) inString = false
    } else if (unit === QUOTE) inString = true
    else if (OPENING.has(unit)) {
      if (++depth > limits.implementation.peerJsonDepthMax) return true
    } else if (CLOSING.has(unit)) depth--
  }
  return false
}
