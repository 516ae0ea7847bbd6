import type { JsonObject } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import { canonicalObjectSchema, objectSchema } from './schemas.ts'

const names = v.optional(v.array(v.string()))
const flag = v.optional(v.boolean())

const eventFilterEntries = {
  limit: v.optional(v.pipe(v.number(), v.safeInteger())),
  types: names,
  not_types: names,
  senders: names,
  not_senders: names,
}

/** What chooses events of rooms, of a filter and of others that have such a part. */
const roomEventFilterShape = objectSchema({
  ...eventFilterEntries,
  rooms: names,
  not_rooms: names,
  contains_url: flag,
  lazy_load_members: flag,
  include_redundant_members: flag,
  unread_thread_notifications: flag,
  related_by_senders: names,
  related_by_rel_types: names,
})

const roomFilter = objectSchema({
  rooms: names,
  not_rooms: names,
  include_leave: flag,
  timeline: v.optional(roomEventFilterShape),
  state: v.optional(roomEventFilterShape),
  ephemeral: v.optional(roomEventFilterShape),
  account_data: v.optional(roomEventFilterShape),
})

const filterShape = objectSchema({
  event_fields: names,
  event_format: v.optional(v.picklist(['client', 'federation'])),
  presence: v.optional(objectSchema(eventFilterEntries)),
  account_data: v.optional(objectSchema(eventFilterEntries)),
  room: v.optional(roomFilter),
})

/**
 * What a client may give and store as a filter. Only looked at: what is stored is what was sent, with the members of features to come.
 * Spec: Client-Server API, Filtering.
 */
export const filterSchema = v.pipe(
  canonicalObjectSchema,
  v.check((filter) => v.is(filterShape, filter), 'not a filter'),
)

export const roomEventFilterSchema = v.pipe(
  canonicalObjectSchema,
  v.check((filter) => v.is(roomEventFilterShape, filter), 'not a filter'),
)

/** A filter as JSON in a query. @throws MatrixError M_NOT_JSON, M_BAD_JSON, M_TOO_LARGE */
export function parseFilter(text: string, schema: v.GenericSchema<unknown, JsonObject>): JsonObject {
  if (text.length > limits.implementation.filterBytesMax) throw new MatrixError(413, 'M_TOO_LARGE', 'The filter is too large')
  const parsed = v.safeParse(schema, parseJson(text))
  if (!parsed.success) throw new MatrixError(400, 'M_BAD_JSON', 'The filter has a wrong shape')
  return parsed.output
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MatrixError(400, 'M_NOT_JSON', 'The filter is no JSON')
  }
}
