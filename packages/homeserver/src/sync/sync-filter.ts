import { isJsonObject, type JsonObject, ownMember } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { parsePropertyPath } from '../property-path.ts'

interface Named {
  readonly type: string
  readonly sender?: string
  readonly content?: object
}

/** Part of a filter that chooses events. */
export interface EventFilter {
  readonly limit: number | undefined
  readonly lazyLoadMembers: boolean
  /** Whether members are told again that the client was told of before. */
  readonly includeRedundantMembers: boolean
  /** Whether counts are told of each thread. */
  readonly unreadThreadNotifications: boolean
  /** What must relate to an event; undefined: nothing need. Spec: Client-Server API, Filtering on relations. */
  readonly relatedBy: { readonly senders: readonly string[] | undefined; readonly relTypes: readonly string[] | undefined } | undefined
  accepts(event: Named): boolean
  acceptsRoom(roomId: string): boolean
}

export interface SyncFilter {
  readonly timeline: EventFilter
  readonly state: EventFilter
  readonly ephemeral: EventFilter
  readonly roomAccountData: EventFilter
  readonly accountData: EventFilter
  readonly presence: EventFilter
  readonly includeLeave: boolean
  /** Paths of what is told of an event of a room; undefined: everything. */
  readonly eventFields: readonly (readonly string[])[] | undefined
  /** `federation`: events as servers exchange them. */
  readonly eventFormat: 'client' | 'federation'
  acceptsRoom(roomId: string): boolean
}

/** Reads a filter leniently: members of a wrong type count as absent. Spec: Client-Server API, Filtering. */
export function readSyncFilter(definition: JsonObject): SyncFilter {
  const room = member(definition, 'room')
  return {
    timeline: readEventFilter(member(room, 'timeline')),
    state: readEventFilter(member(room, 'state')),
    ephemeral: readEventFilter(member(room, 'ephemeral')),
    roomAccountData: readEventFilter(member(room, 'account_data')),
    accountData: readEventFilter(member(definition, 'account_data')),
    presence: readEventFilter(member(definition, 'presence')),
    eventFields: strings(ownMember(definition, 'event_fields'))?.slice(0, limits.implementation.eventFieldsMax).map(parsePropertyPath),
    eventFormat: ownMember(definition, 'event_format') === 'federation' ? 'federation' : 'client',
    includeLeave: ownMember(room, 'include_leave') === true,
    acceptsRoom: chooser(room, 'rooms'),
  }
}

export function readEventFilter(definition: JsonObject): EventFilter {
  const acceptsType = chooser(definition, 'types')
  const acceptsSender = chooser(definition, 'senders')
  const limit = ownMember(definition, 'limit')
  const containsUrl = ownMember(definition, 'contains_url')
  return {
    limit: typeof limit === 'number' && limit >= 0 ? Math.min(Math.floor(limit), limits.implementation.syncTimelineEventsMax) : undefined,
    lazyLoadMembers: ownMember(definition, 'lazy_load_members') === true,
    includeRedundantMembers: ownMember(definition, 'include_redundant_members') === true,
    unreadThreadNotifications: ownMember(definition, 'unread_thread_notifications') === true,
    relatedBy: relatedBy(definition),
    acceptsRoom: chooser(definition, 'rooms'),
    accepts: (event) =>
      acceptsType(event.type) &&
      (event.sender === undefined || acceptsSender(event.sender)) &&
      (typeof containsUrl !== 'boolean' || event.content === undefined || Object.hasOwn(event.content, 'url') === containsUrl),
  }
}

function relatedBy(definition: JsonObject): EventFilter['relatedBy'] {
  const senders = strings(ownMember(definition, 'related_by_senders'))
  const relTypes = strings(ownMember(definition, 'related_by_rel_types'))?.slice(0, limits.implementation.relationTypesPerEventMax)
  return senders === undefined && relTypes === undefined ? undefined : { senders, relTypes }
}

/** `name` lists what is wanted, absent means everything; `not_name` lists what is not, and wins. In types `*` stands for anything. */
function chooser(definition: JsonObject, name: 'rooms' | 'types' | 'senders'): (value: string) => boolean {
  const wanted = strings(ownMember(definition, name))
  const unwanted = strings(ownMember(definition, `not_${name}`)) ?? []
  if (wanted === undefined && unwanted.length === 0) return () => true
  const isIn = name === 'types' ? isCovered : isNamed
  const [isWanted, isUnwanted] = [wanted === undefined ? () => true : isIn(wanted), isIn(unwanted)]
  return (value) => !isUnwanted(value) && isWanted(value)
}

function isNamed(entries: readonly string[]): (value: string) => boolean {
  const names = new Set(entries)
  return (value) => names.has(value)
}

function isCovered(entries: readonly string[]): (value: string) => boolean {
  return (value) => entries.some((entry) => covers(entry, value))
}

function covers(entry: string, value: string): boolean {
  if (!entry.includes('*')) return entry === value
  const parts = entry.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop() ?? ''
  if (!value.startsWith(first) || value.length < first.length + last.length || !value.endsWith(last)) return false
  let from = first.length
  for (const part of rest) {
    const found = value.indexOf(part, from)
    if (found === -1 || found + part.length > value.length - last.length) return false
    from = found + part.length
  }
  return true
}

function member(object: JsonObject, key: string): JsonObject {
  const value = ownMember(object, key)
  return isJsonObject(value) ? value : {}
}

function strings(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : undefined
}
