import { isJsonObject, type JsonObject, type JsonValue } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { UnhashedPdu } from './pdu.ts'

/**
 * The event without everything that the protocol does not need. Signatures and event ids are made of this form, so that an event can
 * be checked after its redaction.
 * @see https://spec.matrix.org/latest/rooms/v12/#redactions
 */
export function redact<T extends UnhashedPdu>(pdu: T, version: RoomVersion): T {
  const { topLevel, content } = version.redaction
  const redacted = pick(pdu, topLevel)
  const keys = Object.hasOwn(content, pdu.type) ? content[pdu.type] : undefined
  redacted['content'] = keys === 'all' ? pdu.content : pick(pdu.content, keys ?? [])
  return redacted as unknown as T
}

function pick(object: JsonObject, keys: readonly string[]): Record<string, JsonValue> {
  const picked: Record<string, JsonValue> = {}
  for (const key of keys) {
    const [outer = key, inner] = key.split('.')
    const value = Object.hasOwn(object, outer) ? object[outer] : undefined
    if (value === undefined) continue
    if (inner === undefined) picked[outer] = value
    // The object stays even when nothing of it is left: this is what deployed servers hash.
    else if (isJsonObject(value)) picked[outer] = pick(value, [inner])
  }
  return picked
}
