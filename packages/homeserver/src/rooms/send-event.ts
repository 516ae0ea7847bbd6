import {
  DEFAULT_ROOM_VERSION,
  encodeBase64Url,
  type EventId,
  makeEventId,
  type Pdu,
  type RoomId,
  roomIdOf,
  roomVersion,
  type RoomVersion,
  type UserId,
} from '@kith/matrix-protocol'
import { beginToSign, type EventOrigin, proposeEvent, signedBy, type SignedEvent, signEvent } from './build-event.ts'
import type { BuildOutcome, CreateRoomInput, CreateRoomOutcome, EventDraft, SendInput, SendOutcome, TemplateOutcome } from './outcomes.ts'
import { Room } from './room.ts'
import type { AppendedEvent } from './draft-rows.ts'
import { type EventWithState, RoomDraft } from './room-draft.ts'
import { commitDraft, type RoomsContext } from './rooms-context.ts'
import { IndexedState } from './room-state.ts'
import { EMPTY_STATE } from './state-trie.ts'

type Sender = EventDraft & { readonly roomId: RoomId; readonly sender: UserId }

export async function sendEvent(context: RoomsContext, input: SendInput, signal: AbortSignal): Promise<SendOutcome> {
  if (!context.rooms.has(input.roomId)) return { kind: 'unknown-room' }
  const job = async (draft: RoomDraft): Promise<() => SendOutcome> => {
    const outcome = await appendLocal(context, draft, input)
    if (outcome.kind !== 'appended') return () => outcome
    return () => ({ kind: 'sent', eventId: outcome.appended.eventId, position: outcome.appended.position })
  }
  return context.queues.run(input.roomId, job, signal)
}

/** A signed event of a local user, not stored. */
export async function buildSignedEvent(context: RoomsContext, input: Sender, signal: AbortSignal): Promise<BuildOutcome> {
  const room = context.rooms.get(input.roomId)
  if (room === undefined) return { kind: 'unknown-room' }
  const job = async (draft: RoomDraft): Promise<() => BuildOutcome> => {
    const proposal = await proposeEvent(draft, input.sender, input, originHere(context, room.version))
    if (proposal.kind === 'denied') return () => proposal
    const signed = await signEvent(proposal.pdu, room.version, context.serverName, context.ports.crypto)
    return () => (signed.kind === 'signed' ? { kind: 'built', eventId: signed.eventId, pdu: signed.pdu, version: room.version.id } : signed)
  }
  return context.queues.run(input.roomId, job, signal)
}

/** An event of a remote user that its own server will complete. */
export async function makeEventTemplate(context: RoomsContext, input: Sender, signal: AbortSignal): Promise<TemplateOutcome> {
  const room = context.rooms.get(input.roomId)
  if (room === undefined) return { kind: 'unknown-room' }
  const job = async (draft: RoomDraft): Promise<() => TemplateOutcome> => {
    const proposal = await proposeEvent(draft, input.sender, input, { now: context.ports.clock.now() })
    if (proposal.kind === 'denied') return () => proposal
    return () => ({ kind: 'template', event: proposal.pdu, version: room.version.id })
  }
  return context.queues.run(input.roomId, job, signal)
}

function originHere(context: RoomsContext, version: RoomVersion): EventOrigin {
  const now = context.ports.clock.now()
  return version.eventIds === 'given' ? { now, eventId: chooseEventId(context) } : { now }
}

/** In the first room versions: random, so that no two events of this server have one id. */
function chooseEventId({ ports, serverName }: RoomsContext): EventId {
  return makeEventId(encodeBase64Url(ports.random.bytes(18)), serverName)
}

export async function createRoom(context: RoomsContext, input: CreateRoomInput, signal: AbortSignal): Promise<CreateRoomOutcome> {
  const version = roomVersion(input.version ?? DEFAULT_ROOM_VERSION)
  if (version === undefined) return { kind: 'unsupported-version' }
  const signed = await signCreateEvent(context, version, input)
  if (signed.kind === 'denied') return { kind: 'denied', type: 'm.room.create', rule: signed.rule }
  if (signed.kind === 'too-large') return signed
  const roomId = roomIdOf(signed.pdu, version)
  context.creating.add(roomId)
  try {
    return await fillRoom(context, { roomId, version, eventId: signed.eventId, pdu: signed.pdu }, input, signal)
  } finally {
    context.creating.delete(roomId)
  }
}

async function signCreateEvent(context: RoomsContext, version: RoomVersion, input: CreateRoomInput): Promise<SignedEvent> {
  const { ports, serverName } = context
  const chosenId = version.roomIdIsCreateEvent ? {} : { room_id: `!${encodeBase64Url(ports.random.bytes(18))}:${serverName}` as RoomId }
  const creator = version.creatorFrom === 'content' ? { creator: input.creator } : {}
  for (let now = ports.clock.now(); ; now++) {
    const unhashed = {
      ...chosenId,
      ...(version.eventIds === 'given' ? { event_id: chooseEventId(context) } : {}),
      type: 'm.room.create',
      state_key: '',
      sender: input.creator,
      content: { ...input.createContent, ...creator, room_version: version.id },
      origin_server_ts: now,
      depth: 1,
      prev_events: [],
      auth_events: [],
    }
    const signed = await signEvent(unhashed, version, serverName, ports.crypto)
    if (signed.kind !== 'signed') return signed
    // Two rooms made alike in the same millisecond would be one: their id is a hash of what they were made of.
    const roomId = roomIdOf(signed.pdu, version)
    if (!context.rooms.has(roomId) && !context.creating.has(roomId)) return signed
  }
}

interface CreateEvent {
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly eventId: EventId
  readonly pdu: Pdu
}

/** All events of the new room on one draft, and its commit. */
async function fillRoom(
  context: RoomsContext,
  create: CreateEvent,
  input: CreateRoomInput,
  signal: AbortSignal,
): Promise<CreateRoomOutcome> {
  const { roomId, version, eventId, pdu } = create
  const row = { version: version.id, extremities: [], state: EMPTY_STATE, depth: 0 }
  const room = new Room(roomId, version, row, new IndexedState())
  const draft = new RoomDraft(room, context)
  let last = await draft.append(
    { eventId, roomId, pdu, status: 'accepted', stateBefore: EMPTY_STATE },
    { forward: false, extraWrites: (transaction) => input.extraWrites?.(transaction, roomId) },
  )
  for (const event of input.events) {
    signal.throwIfAborted()
    const outcome = await appendLocal(context, draft, { ...event, roomId, sender: input.creator })
    if (outcome.kind === 'denied') return { kind: 'denied', type: event.type, rule: outcome.rule }
    if (outcome.kind === 'too-large') return outcome
    last = outcome.appended
  }
  await commitDraft(context, draft, () => context.rooms.show(room))
  return { kind: 'created', roomId, position: last.position }
}

type LocalOutcome =
  | { readonly kind: 'appended'; readonly appended: AppendedEvent }
  | { readonly kind: 'denied'; readonly rule: string }
  | { readonly kind: 'too-large' }

async function appendLocal(context: RoomsContext, draft: RoomDraft, input: SendInput): Promise<LocalOutcome> {
  const { serverName } = context
  const { version } = draft.room
  const proposal = await proposeEvent(draft, input.sender, input, originHere(context, version))
  if (proposal.kind === 'denied') return proposal
  const event = beginToSign(proposal.pdu, version, serverName, context.ports.crypto)
  if (event.kind !== 'to-sign') return event
  const { eventId, pdu, signature } = event
  const signing = signature.then((made) => (form: Pdu) => signedBy(serverName, form, made))
  draft.events.signLater(eventId, signing)
  const stored: EventWithState = {
    eventId,
    roomId: draft.room.roomId,
    pdu,
    status: 'accepted',
    stateBefore: proposal.stateBefore,
    ...(input.transactionId === undefined ? {} : { transactionId: input.transactionId }),
  }
  draft.noteJudged(eventId)
  return { kind: 'appended', appended: await draft.append(stored, { forward: true, extraWrites: input.extraWrites }) }
}
