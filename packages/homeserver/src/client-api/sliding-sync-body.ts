import { type JsonObject, parseRoomId, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../limits.ts'
import type {
  ExtensionScope,
  ListFilters,
  ListRequest,
  RequiredState,
  RoomConfig,
  SlidingRequest,
  StatePattern,
} from '../sync/sliding/sliding-request.ts'
import { jsonObjectSchema, mapSchema, nameSchema as text } from './schemas.ts'

const {
  slidingListsMax,
  slidingRangesPerListMax,
  slidingSubscriptionsMax,
  slidingStatePatternsMax,
  slidingStatePatternsPerRequestMax,
  slidingSpacesPerRequestMax,
  slidingFilterValuesMax,
  slidingTimelineEventsMax,
  syncTimelineEventsDefault,
  toDeviceMessagesPerSyncMax,
} = limits.implementation

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const range = v.tuple([count, count])
const names = v.pipe(v.array(text), v.maxLength(slidingFilterValuesMax))
const roomTypes = v.pipe(v.array(v.nullable(text)), v.maxLength(slidingFilterValuesMax))
const pattern = v.object({ type: v.optional(text), state_key: v.optional(text) })
const patterns = v.pipe(v.array(pattern), v.maxLength(slidingStatePatternsMax))

/** Pairs with `*`, `$ME` and `$LAZY`, as clients send them; or the later form of the proposal. */
const requiredState = v.union([
  v.pipe(v.array(v.tuple([text, text])), v.maxLength(slidingStatePatternsMax)),
  v.pipe(
    jsonObjectSchema,
    v.transform((object): unknown => object),
    v.object({ include: v.optional(patterns), exclude: v.optional(patterns), lazy_members: v.optional(v.boolean()) }),
  ),
])

const roomConfig = {
  timeline_limit: v.optional(count),
  required_state: v.optional(requiredState),
  include_heroes: v.optional(v.boolean()),
}

const filters = v.object({
  is_dm: v.nullish(v.boolean()),
  is_encrypted: v.nullish(v.boolean()),
  is_invite: v.nullish(v.boolean()),
  is_invited: v.nullish(v.boolean()),
  room_types: v.nullish(roomTypes),
  not_room_types: v.nullish(roomTypes),
  tags: v.nullish(names),
  not_tags: v.nullish(names),
  spaces: v.nullish(names),
})

const list = v.object({
  ...roomConfig,
  ranges: v.optional(v.pipe(v.array(range), v.maxLength(slidingRangesPerListMax))),
  range: v.optional(range),
  filters: v.nullish(filters),
})

const enabled = v.nullish(v.boolean())
const scope = v.nullish(v.object({ enabled, lists: v.nullish(names), rooms: v.nullish(names) }))

const bodySchema = v.object({
  conn_id: v.nullish(text),
  pos: v.nullish(text),
  timeout: v.nullish(count),
  txn_id: v.nullish(text),
  lists: v.nullish(mapSchema(list, slidingListsMax)),
  room_subscriptions: v.nullish(mapSchema(v.object(roomConfig), slidingSubscriptionsMax)),
  extensions: v.nullish(
    v.object({
      to_device: v.nullish(
        v.object({ enabled, since: v.nullish(v.pipe(v.string(), v.regex(/^\d{1,15}$/))), limit: v.nullish(v.pipe(count, v.minValue(1))) }),
      ),
      e2ee: v.nullish(v.object({ enabled })),
      account_data: scope,
      receipts: scope,
      typing: scope,
    }),
  ),
})

type Body = v.InferOutput<typeof bodySchema>

/** @see https://github.com/matrix-org/matrix-spec-proposals/pull/4186 */
export const slidingSyncSchema = v.pipe(
  bodySchema,
  v.check((body) => patternsIn(body) <= slidingStatePatternsPerRequestMax, 'The request names too many kinds of state'),
  v.check((body) => spacesIn(body) <= slidingSpacesPerRequestMax, 'The request names too many spaces'),
)

function patternsIn({ lists, room_subscriptions: subscriptions }: Body): number {
  const configs = [...(lists ?? []), ...(subscriptions ?? [])].map(([, config]) => config.required_state ?? [])
  return configs.reduce((sum, state) => sum + (Array.isArray(state) ? state.length : lengthOf(state.include) + lengthOf(state.exclude)), 0)
}

function spacesIn({ lists }: Body): number {
  return (lists ?? []).reduce((sum, [, { filters: of }]) => sum + lengthOf(of?.spaces ?? undefined), 0)
}

function lengthOf(values: readonly unknown[] | undefined): number {
  return values?.length ?? 0
}

export function slidingRequestOf(body: Body, reader: UserId): SlidingRequest {
  const { to_device: toDevice, e2ee, account_data: accountData, receipts, typing } = body.extensions ?? {}
  const subscriptions = (body.room_subscriptions ?? []).flatMap(([name, config]) => {
    const roomId = parseRoomId(name)
    return roomId === undefined ? [] : [[roomId, roomConfigOf(config, reader)] as const]
  })
  return {
    lists: new Map((body.lists ?? []).map(([name, value]) => [name, listOf(value, reader)])),
    subscriptions: new Map(subscriptions),
    extensions: {
      toDevice: {
        enabled: toDevice?.enabled === true,
        since: typeof toDevice?.since === 'string' ? Number(toDevice.since) : undefined,
        limit: typeof toDevice?.limit === 'number' ? Math.min(toDevice.limit, toDeviceMessagesPerSyncMax) : undefined,
      },
      encryption: { enabled: e2ee?.enabled === true },
      accountData: scopeOf(accountData),
      receipts: scopeOf(receipts),
      typing: scopeOf(typing),
    },
  }
}

function listOf(value: v.InferOutput<typeof list>, reader: UserId): ListRequest {
  const ranges = value.ranges ?? (value.range === undefined ? undefined : [value.range])
  return { ...roomConfigOf(value, reader), ...(ranges === undefined ? {} : { ranges }), filters: filtersOf(value.filters ?? {}) }
}

function roomConfigOf(value: Omit<v.InferOutput<typeof list>, 'filters' | 'range' | 'ranges'>, reader: UserId): RoomConfig {
  return {
    timelineLimit: Math.min(value.timeline_limit ?? syncTimelineEventsDefault, slidingTimelineEventsMax),
    requiredState: requiredStateOf(value.required_state ?? [], reader),
    heroes: value.include_heroes ?? true,
  }
}

function requiredStateOf(value: v.InferOutput<typeof requiredState>, reader: UserId): RequiredState {
  if (!Array.isArray(value)) {
    return {
      include: (value.include ?? []).map(patternOf),
      exclude: (value.exclude ?? []).map(patternOf),
      lazyMembers: value.lazy_members ?? false,
    }
  }
  const isLazy = ([type, stateKey]: readonly [string, string]): boolean => type === 'm.room.member' && stateKey === '$LAZY'
  const include = value
    .filter((pair) => !isLazy(pair))
    .map(([type, stateKey]): StatePattern => ({
      ...(type === '*' ? {} : { type }),
      ...(stateKey === '*' ? {} : { stateKey: stateKey === '$ME' ? reader : stateKey }),
    }))
  return { include, exclude: [], lazyMembers: value.some(isLazy) }
}

function patternOf({ type, state_key: stateKey }: v.InferOutput<typeof pattern>): StatePattern {
  return { ...(type === undefined ? {} : { type }), ...(stateKey === undefined ? {} : { stateKey }) }
}

function filtersOf(value: v.InferOutput<typeof filters>): ListFilters {
  const isInvited = value.is_invited ?? value.is_invite
  return present({
    isDirect: value.is_dm,
    isEncrypted: value.is_encrypted,
    isInvited,
    roomTypes: value.room_types,
    notRoomTypes: value.not_room_types,
    tags: value.tags,
    notTags: value.not_tags,
    spaces: value.spaces,
  })
}

function scopeOf(value: v.InferOutput<typeof scope>): ExtensionScope {
  return { enabled: value?.enabled === true, lists: value?.lists ?? undefined, rooms: value?.rooms ?? undefined }
}

/** Without the members that say nothing. */
function present<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object as JsonObject).filter(([, value]) => value !== null && value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}
