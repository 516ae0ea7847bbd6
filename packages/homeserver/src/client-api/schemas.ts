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
import { limits } from '../limits.ts'

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

/** An object with these members among others: valibot's own objects take arrays too. */
export function objectSchema<Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(v.custom<unknown>(isJsonObject, 'not an object'), v.looseObject(entries))
}

/** Who somebody says to be; `user`, where there is no identifier, is the older form of the same. */
export const identifierEntries = {
  identifier: v.optional(objectSchema({ type: v.string(), user: v.optional(v.string()) })),
  user: v.optional(v.string()),
}

export interface UserIdentifier {
  readonly identifier?: { readonly type: string; readonly user?: string | undefined } | undefined
  readonly user?: string | undefined
}

/** What a client sends to pass a stage of interactive authentication. */
export const authSchema = v.nullish(
  objectSchema({
    type: v.optional(v.string()),
    session: v.optional(v.string()),
    ...identifierEntries,
    password: v.optional(v.string()),
    token: v.optional(v.string()),
  }),
)

export type AuthData = v.InferOutput<typeof authSchema>

export const nameSchema = v.pipe(v.string(), v.maxLength(limits.implementation.nameCharactersMax))
export const textSchema = v.pipe(v.string(), v.maxLength(limits.implementation.textCharactersMax))
/** Why somebody did what they did, for people. */
export const reasonSchema = v.pipe(v.string(), v.maxLength(limits.implementation.reasonCharactersMax))
export const deviceIdSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.implementation.nameCharactersMax))
export const passwordSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(limits.implementation.passwordLengthMax))
export const deviceNameSchema = v.pipe(v.string(), v.maxLength(limits.implementation.displayNameLengthMax))

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
