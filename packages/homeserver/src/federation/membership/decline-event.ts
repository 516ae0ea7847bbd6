import {
  addContentHash,
  authEventIdsOf,
  type EventId,
  eventIdOf,
  type EventReference,
  isJsonObject,
  type JsonObject,
  parsePdu,
  type Pdu,
  protocolLimits,
  referencesTo,
  type RoomVersion,
} from '@kith/matrix-protocol'
import type { StoredInvite } from '../../rooms/index.ts'
import { newEventId, type TemplateReader } from './member-template.ts'

/** A leave for another server to take in, inside of an EDU: from a user who declined an invite, or took a knock back, while nobody answered. */
export const LEAVE_EDU_TYPE = 'im.kith.leave'

/** `{room_version, event}` */
export function leaveEdu(event: Pdu, version: RoomVersion): JsonObject {
  return { room_version: version.id, event: event as unknown as JsonObject }
}

/**
 * The leave that ends an invite or a knock, made without a template: it follows the invite itself, which its server has. It cites the
 * invite and what of the invite's own auth events concerns a leave. Undefined when it cannot be told which these are.
 */
export function declineEvent(invite: StoredInvite, version: RoomVersion, content: JsonObject, reader: TemplateReader): Pdu | undefined {
  const cited = citedForLeave(invite, version)
  if (cited === undefined) return undefined
  const references = referencesTo([{ eventId: eventIdOf(invite.event, version), pdu: invite.event }], version)
  const event = {
    type: 'm.room.member',
    room_id: invite.roomId,
    sender: invite.userId,
    state_key: invite.userId,
    ...(version.eventIds === 'given' ? { event_id: newEventId(reader) } : {}),
    content: { ...content, membership: 'leave' },
    origin_server_ts: reader.now,
    depth: Math.min(invite.event.depth + 1, protocolLimits.specification.depthMax),
    prev_events: references,
    auth_events: [...cited, ...references],
  }
  return addContentHash(event, version)
}

/** The create event and the power levels, as far as the invite cites them and the state that came with it has them. */
function citedForLeave(invite: StoredInvite, version: RoomVersion): EventReference[] | undefined {
  const known = new Map<EventId, Pdu>()
  for (const event of invite.strippedState) {
    const parsed = parsePdu(event, version)
    if (parsed.kind === 'ok') known.set(eventIdOf(parsed.pdu, version), parsed.pdu)
  }
  const wanted = version.roomIdIsCreateEvent ? ['m.room.power_levels'] : ['m.room.create', 'm.room.power_levels']
  const ids = authEventIdsOf(invite.event)
  const cited = invite.event.auth_events.filter((_, index) => {
    const pdu = known.get(ids[index] ?? ('' as EventId))
    return pdu?.state_key === '' && wanted.includes(pdu.type)
  })
  // What is not known may be the power levels, without which nobody would take the leave.
  return cited.length === wanted.length || ids.every((eventId) => known.has(eventId)) ? cited : undefined
}

/** The event of such an EDU, well-formed and otherwise unchecked. */
export function parseLeaveEdu(content: JsonObject, version: RoomVersion): Pdu | undefined {
  const { event } = content
  if (!isJsonObject(event)) return undefined
  const parsed = parsePdu(event, version)
  return parsed.kind === 'ok' ? parsed.pdu : undefined
}
