import {
  authEventIdsOf,
  type AuthState,
  type EventId,
  type JsonObject,
  redact,
  redactionApplies,
  redactsOf,
  type RoomVersion,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { toAuthEvent } from './room.ts'
import type { RoomDraft } from './room-draft.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

/** A redaction whose target is not known yet, to be remembered or, once the target is there, to be forgotten. */
export interface PendingRedaction {
  readonly target: EventId
  readonly redaction: EventId
  readonly kind: 'put' | 'delete'
}

export interface RedactionEffects {
  /** The redaction that takes effect on the event itself. */
  readonly own: EventId | undefined
  /** The event that it redacts. */
  readonly target: StoredEvent | undefined
  readonly pending: readonly PendingRedaction[]
}

/**
 * What redactions mean for an event that is being accepted, and the event for others when it is a redaction.
 * @param stateBefore undefined where it was never known.
 * @see https://spec.matrix.org/latest/rooms/v12/#handling-redactions
 */
export async function redactionEffects(
  draft: RoomDraft,
  event: StoredEvent,
  stateBefore: StateRoot | undefined,
): Promise<RedactionEffects> {
  const { room } = draft
  const waiting = draft.redactionsWaitingFor(event.eventId)
  const pending: PendingRedaction[] = waiting.map((redaction) => ({ kind: 'delete', target: event.eventId, redaction }))
  const own = await findRedactionOf(draft, event, waiting)
  const targetId = redactsOf(event.pdu, room.version) as EventId | undefined
  if (targetId === undefined) return { own, target: undefined, pending }
  const target = await draft.events.get(targetId)
  const mayWait = room.pendingRedactions.size < limits.implementation.pendingRedactionsPerRoomMax
  if (target === undefined && mayWait) pending.push({ kind: 'put', target: targetId, redaction: event.eventId })
  if (target === undefined || target.redactedBy !== undefined || target.roomId !== room.roomId) return { own, target: undefined, pending }
  const applies = await takesEffect(draft, event, target, await stateFor(draft, event, stateBefore))
  return { own, target: applies ? target : undefined, pending }
}

export function redactedForm(event: StoredEvent, redactedBy: EventId, version: RoomVersion): StoredEvent {
  const pdu = redact(event.pdu, version)
  const content = contentForAuth(event.pdu)
  const saysLess = Object.keys(content).some((key) => pdu.content[key] === undefined)
  return { ...event, pdu, redactedBy, ...(saysLess ? { forAuth: { ...pdu, content } } : {}) }
}

/** What the auth rules read, without what people wrote. Older versions prune some of it. */
function contentForAuth({ type, state_key: stateKey, content }: StoredEvent['pdu']): JsonObject {
  if (stateKey === undefined) return {}
  switch (type) {
    case 'm.room.create':
    case 'm.room.power_levels':
    case 'm.room.join_rules':
      return content
    case 'm.room.third_party_invite':
      return pick(content, ['public_key', 'public_keys'])
    case 'm.room.member':
      return pick(content, ['membership', 'join_authorised_via_users_server', 'third_party_invite'])
    default:
      return {}
  }
}

function pick(content: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(content).filter(([key]) => keys.includes(key)))
}

/** The first of these redactions that takes effect on the event. */
async function findRedactionOf(draft: RoomDraft, event: StoredEvent, redactionIds: readonly EventId[]): Promise<EventId | undefined> {
  for (const redaction of await draft.eventsOf(redactionIds)) {
    if (redaction?.status !== 'accepted') continue
    if (await takesEffect(draft, redaction, event, await stateFor(draft, redaction, redaction.stateBefore))) return redaction.eventId
  }
  return undefined
}

/** The state that says whether a redaction takes effect; where that was never known, what the redaction cites. */
async function stateFor(draft: RoomDraft, redaction: StoredEvent, stateBefore: StateRoot | undefined): Promise<AuthState> {
  if (stateBefore === undefined) return citedState(draft, authEventIdsOf(redaction.pdu))
  return draft.stateForRules(stateBefore, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.member', stateKey: redaction.pdu.sender },
  ])
}

async function citedState(draft: RoomDraft, authEventIds: readonly EventId[]): Promise<AuthState> {
  const cited = (await draft.eventsOf(authEventIds)).filter((event) => event !== undefined)
  const byKey = new Map(cited.map((event) => [stateKeyOf(event.pdu.type, event.pdu.state_key ?? ''), toAuthEvent(event)]))
  return (type, stateKey) => byKey.get(stateKeyOf(type, stateKey))
}

async function takesEffect(draft: RoomDraft, redaction: StoredEvent, target: StoredEvent, state: AuthState): Promise<boolean> {
  return redactionApplies(redaction.pdu, target.pdu, state, draft.room.version, await draft.authContext())
}
