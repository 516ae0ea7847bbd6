import {
  CanonicalJsonError,
  canonicalJson,
  isJsonObject,
  type JsonObject,
  parseEventId,
  parseRoomId,
  parseUserId,
  type EventId,
  type RoomId,
  type UserId,
} from '@kith/matrix-protocol'
import * as v from 'valibot'

export const userIdSchema = v.custom<UserId>((value) => parseUserId(value) !== undefined, 'not a user id')
export const roomIdSchema = v.custom<RoomId>((value) => parseRoomId(value) !== undefined, 'not a room id')
export const eventIdSchema = v.custom<EventId>((value) => parseEventId(value) !== undefined, 'not an event id')

/** Any object, its members as they are: valibot's own objects would drop names such as `constructor`. */
export const jsonObjectSchema = v.custom<JsonObject>(isJsonObject, 'not an object')

/** An object that can be signed: integers instead of fractions, well-formed text. */
export const canonicalObjectSchema = v.custom<JsonObject>(
  (value) => isJsonObject(value) && isCanonical(value),
  'not an object of canonical JSON',
)

/** What a client sends to pass a stage of interactive authentication. */
export const authSchema = v.optional(
  v.looseObject({
    type: v.optional(v.string()),
    session: v.optional(v.string()),
    identifier: v.optional(v.looseObject({ type: v.optional(v.string()), user: v.optional(v.string()) })),
    user: v.optional(v.string()),
    password: v.optional(v.string()),
  }),
)

export type AuthData = v.InferOutput<typeof authSchema>

/** An object used as a map, as its entries: names come from the network, and not every name can safely be a member. */
export function mapSchema<Value>(
  valueSchema: v.GenericSchema<unknown, Value>,
  entriesMax: number,
): v.GenericSchema<unknown, readonly (readonly [string, Value])[]> {
  return v.pipe(
    jsonObjectSchema,
    v.transform((object): unknown => Object.entries(object)),
    v.array(v.tuple([v.string(), valueSchema])),
    v.maxLength(entriesMax),
  )
}

function isCanonical(value: JsonObject): boolean {
  try {
    canonicalJson(value)
    return true
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false
    throw error
  }
}
