import { decodeBase64Url, decodeUtf8, encodeBase64Url, encodeUtf8, isJsonObject, ownString } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { SearchPlace } from '../ports/index.ts'

/** Where the next page of a search goes on, and how many results came before it. */
export interface SearchToken {
  readonly after: SearchPlace
  readonly counted: number
  /** The group that is asked for alone. */
  readonly group?: { readonly key: 'room_id' | 'sender'; readonly value: string }
}

export function formatSearchToken(token: SearchToken): string {
  return encodeBase64Url(encodeUtf8(JSON.stringify(token)))
}

/** It comes from the client, who may have made it up: it only chooses among what the user may see. */
export function parseSearchToken(text: string): SearchToken | undefined {
  if (text.length > limits.implementation.searchTokenCharactersMax) return undefined
  const token = parseJson(text)
  const after = isJsonObject(token) ? token['after'] : undefined
  if (!isJsonObject(token) || !isJsonObject(after)) return undefined
  const { value, eventId } = after
  const { counted, group } = token
  if (typeof value !== 'number' || typeof eventId !== 'string' || typeof counted !== 'number') return undefined
  const place = { after: { value, eventId }, counted: Math.max(0, Math.trunc(counted)) }
  if (!isJsonObject(group)) return place
  const [key, named] = [ownString(group, 'key'), ownString(group, 'value')]
  return (key === 'room_id' || key === 'sender') && named !== undefined ? { ...place, group: { key, value: named } } : undefined
}

function parseJson(text: string): unknown {
  const bytes = decodeBase64Url(text)
  const json = bytes === undefined ? undefined : decodeUtf8(bytes)
  try {
    return json === undefined ? undefined : JSON.parse(json)
  } catch {
    return undefined
  }
}
