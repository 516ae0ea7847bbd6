import {
  addContentHash,
  type AuthEvent,
  authorise,
  authTypesFor,
  canonicalJson,
  CanonicalJsonError,
  type EventId,
  eventIdOf,
  eventSigningBytes,
  type JsonObject,
  type Pdu,
  protocolLimits,
  parsePdu,
  referencesTo,
  type RoomVersion,
  type ServerName,
  SIGNING_KEY_ID,
  type UnhashedPdu,
  type UserId,
  withSignature,
} from '@kith/matrix-protocol'
import type { Crypto } from '../ports/index.ts'
import { choosePredecessors } from './extremities.ts'
import type { EventDraft } from './outcomes.ts'
import type { RoomDraft } from './room-draft.ts'
import type { StateRoot } from './state-trie.ts'

export type Proposal =
  | { readonly kind: 'allowed'; readonly pdu: UnhashedPdu; readonly stateBefore: StateRoot }
  | { readonly kind: 'denied'; readonly rule: string }

const { depthMax } = protocolLimits.specification

export interface EventOrigin {
  /** ms */
  readonly now: number
  /** In room versions where the sender's server chooses it; left out of templates, whose asker is that server. */
  readonly eventId?: EventId
}

/** The next event of the room, without hash and signatures, if the rules allow it. */
export async function proposeEvent(draft: RoomDraft, sender: UserId, event: EventDraft, origin: EventOrigin): Promise<Proposal> {
  const { room } = draft
  const { version } = room
  const prevEvents = await choosePrevEvents(draft)
  const stateBefore = await draft.merge(prevEvents.map((prev) => prev.stateAfter))
  const content = withRedacts(event, version)
  const shape = { type: event.type, sender, content, ...(event.stateKey === undefined ? {} : { state_key: event.stateKey }) }
  const keys = authTypesFor(shape, version)
  const state = await draft.stateForRules(stateBefore, keys)
  const authEvents = keys.map(({ type, stateKey }) => state(type, stateKey)).filter((found) => found !== undefined)
  const depth = prevEvents.reduce((deepest, prev) => Math.max(deepest, prev.pdu.depth), 0)
  const pdu: UnhashedPdu = {
    ...shape,
    ...(origin.eventId === undefined ? {} : { event_id: origin.eventId }),
    ...(event.redacts !== undefined && version.redactsIn === 'event' ? { redacts: event.redacts } : {}),
    ...(isCreateWithoutRoomId(event, version) ? {} : { room_id: room.roomId }),
    origin_server_ts: event.timestamp ?? origin.now,
    depth: Math.min(depth + 1, depthMax),
    prev_events: referencesTo(prevEvents, version),
    auth_events: referencesTo(authEvents, version),
  }
  const outcome = authorise(unhashedAuthEvent(pdu), state, version, await draft.authContext())
  return outcome.kind === 'allowed' ? { kind: 'allowed', pdu, stateBefore } : outcome
}

async function choosePrevEvents(draft: RoomDraft): Promise<{ eventId: EventId; pdu: Pdu; stateAfter: StateRoot }[]> {
  const heads = (await draft.eventsOf([...draft.extremities])).filter((head) => head !== undefined)
  return choosePredecessors(heads, draft.serverName).flatMap(({ eventId, pdu, stateAfter }) =>
    stateAfter === undefined ? [] : [{ eventId, pdu, stateAfter }],
  )
}

function withRedacts(event: EventDraft, version: RoomVersion): JsonObject {
  return event.redacts !== undefined && version.redactsIn === 'content' ? { ...event.content, redacts: event.redacts } : event.content
}

function isCreateWithoutRoomId(event: EventDraft, version: RoomVersion): boolean {
  return version.roomIdIsCreateEvent && event.type === 'm.room.create'
}

/** The rules look at no hash and no signature, and the event's id only matters for create events. */
function unhashedAuthEvent(pdu: UnhashedPdu): AuthEvent {
  return { eventId: '$unhashed' as EventId, pdu: { ...pdu, hashes: { sha256: '' }, signatures: {} }, rejected: false }
}

type Unfit = { readonly kind: 'too-large' } | { readonly kind: 'denied'; readonly rule: string }

/** An event that lacks nothing but its signature, which is being made. */
export type EventToSign =
  | { readonly kind: 'to-sign'; readonly pdu: Pdu; readonly eventId: EventId; readonly signature: Promise<Uint8Array> }
  | Unfit

export type SignedEvent = { readonly kind: 'signed'; readonly pdu: Pdu; readonly eventId: EventId } | Unfit

/** Takes the place of a signature where only its length matters. */
const ANY_SIGNATURE = new Uint8Array(64)

/** Hashes an event and begins to sign it, and checks that other servers will take it. */
export function beginToSign(unhashed: UnhashedPdu, version: RoomVersion, serverName: ServerName, crypto: Crypto): EventToSign {
  const pdu = hashEvent(unhashed, version)
  if (pdu === undefined) return { kind: 'denied', rule: 'content.no-canonical-json' }
  const parsed = parsePdu(signedBy(serverName, pdu, ANY_SIGNATURE), version)
  if (parsed.kind !== 'ok') return { kind: 'too-large' }
  const bytes = eventSigningBytes(pdu, version)
  return { kind: 'to-sign', pdu, eventId: eventIdOf(pdu, version, bytes), signature: crypto.sign(bytes) }
}

/** Hashes and signs an event, and checks that other servers will take it. */
export async function signEvent(unhashed: UnhashedPdu, version: RoomVersion, serverName: ServerName, crypto: Crypto): Promise<SignedEvent> {
  const event = beginToSign(unhashed, version, serverName, crypto)
  if (event.kind !== 'to-sign') return event
  return { kind: 'signed', eventId: event.eventId, pdu: signedBy(serverName, event.pdu, await event.signature) }
}

export async function addSignature(pdu: Pdu, version: RoomVersion, serverName: ServerName, crypto: Crypto): Promise<Pdu> {
  return signedBy(serverName, pdu, await crypto.sign(eventSigningBytes(pdu, version)))
}

export function signedBy(serverName: ServerName, pdu: Pdu, signature: Uint8Array): Pdu {
  return withSignature(pdu, serverName, SIGNING_KEY_ID, signature)
}

function hashEvent(unhashed: UnhashedPdu, version: RoomVersion): Pdu | undefined {
  try {
    // Also where the room takes other numbers from elsewhere: nobody here makes them.
    if (!version.strictCanonicalJson) canonicalJson(unhashed.content)
    return addContentHash(unhashed, version)
  } catch (error) {
    if (error instanceof CanonicalJsonError) return undefined
    throw error
  }
}
