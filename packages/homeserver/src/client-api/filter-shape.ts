import * as v from 'valibot'
import { objectSchema } from './schemas.ts'

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
export const roomEventFilterShape = objectSchema({
  ...eventFilterEntries,
  rooms: names,
  not_rooms: names,
  contains_url: flag,
  lazy_load_members: flag,
  include_redundant_members: flag,
  unread_thread_notifications: flag,
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

/**
 * What a client may store as a filter. Only looked at: what is stored is what was sent, with the members of features to come.
 * Spec: Client-Server API, Filtering.
 */
export const filterShape = objectSchema({
  event_fields: names,
  event_format: v.optional(v.picklist(['client', 'federation'])),
  presence: v.optional(objectSchema(eventFilterEntries)),
  account_data: v.optional(objectSchema(eventFilterEntries)),
  room: v.optional(roomFilter),
})
