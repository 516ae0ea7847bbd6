import {
  authEventIdsOf,
  type EventId,
  parseUserId,
  type Pdu,
  prevEventIdsOf,
  type RoomId,
  roomIdOf,
  roomVersion,
  type RoomVersion,
  serverNameOf,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { isEventIdTaken } from './event-id-taken.ts'
import { idsOfState, joinDenial, type StateEvents, stateOfEvents, stateOfPdus } from './installed-state.ts'
import type { InstallJoinedInput, InstallOutcome, ReceiveOutcome, StateBeforeInput } from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { judgeInState, rejectingTooLong } from './receive-event.ts'
import { Room } from './room.ts'
import { RoomDraft } from './room-draft.ts'
import { commitDraft, type RoomsContext } from './rooms-context.ts'
import { IndexedState } from './room-state.ts'
import { changeTrie, EMPTY_LEAF, EMPTY_STATE, type StateIds, type StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import type { RoomRow } from './tables.ts'
import { verifyPdu } from './verify-pdu.ts'

/** Makes a room out of what another server answered to a join. The room shows only with the last commit. */
export async function installJoinedRoom(context: RoomsContext, input: InstallJoinedInput, signal: AbortSignal): Promise<InstallOutcome> {
  const version = roomVersion(input.version)
  if (version === undefined) return invalid('room version is not supported')
  const reason = joinFault(context, input.event)
  if (reason !== undefined) return invalid(reason)
  const roomId = roomIdOf(input.event, version)
  const joined = await verifyPdu(input.event, roomId, version, context.ports.crypto)
  if (joined.kind === 'invalid') return invalid(joined.reason)
  const events = await judgeOutliers(context, roomId, version, [...input.state, ...input.authChain], signal)
  const state = stateOfPdus(version, input.state, events)
  if (typeof state === 'string') return invalid(state)
  const installation = { eventId: joined.eventId, pdu: joined.pdu, version, roomId, events, state, isPartial: input.partial !== undefined }
  const denied = joinDenial(installation)
  if (denied !== undefined) return invalid(denied)
  await storeOutliers(context, roomId, events.values(), signal)
  return context.queues.runAlone(roomId, async () => install(context, { ...installation, partial: input.partial }, signal), signal)
}

interface Installation {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly version: RoomVersion
  readonly events: ReadonlyMap<EventId, StoredEvent>
  readonly state: StateEvents
  readonly partial: InstallJoinedInput['partial']
}

function joinFault(context: RoomsContext, event: Pdu): string | undefined {
  const userId = parseUserId(event.state_key)
  if (event.type !== 'm.room.member' || event.content['membership'] !== 'join' || userId === undefined) return 'not a join event'
  return serverNameOf(userId) === context.serverName ? undefined : 'not a join of a user of this server'
}

async function install(context: RoomsContext, installation: Installation, signal: AbortSignal): Promise<InstallOutcome> {
  const { roomId, eventId } = installation
  const room = context.rooms.get(roomId)
  const known = await context.store.get(eventId)
  if (room !== undefined && known?.position !== undefined && known.status === 'accepted')
    return { kind: 'joined', roomId, eventId, position: known.position }
  if (room !== undefined && !beginsAlike(room, installation.state)) return invalid('the room is known to begin with another event')
  if (room !== undefined && (await goesOnHere(context, room, installation))) return joinActiveRoom(context, room, installation)
  return installAnew(context, installation, signal)
}

/** Room ids name the create event from version 12 on only; before, whoever made the room could tell each of another beginning, with other powers. */
function beginsAlike(room: Room, state: StateEvents): boolean {
  const create = stateKeyOf('m.room.create', '')
  return room.state.at(create)?.eventId === state.get(create)?.eventId
}

/**
 * Whether this server has followed the room up to the join: then it may know of more beside it, like its own leave, that others have not
 * heard of yet. Where it has not, what it holds of the room is of the past.
 */
async function goesOnHere(context: RoomsContext, room: Room, { roomId, pdu }: Installation): Promise<boolean> {
  if (room.row.partial !== undefined && !room.state.isJoined(context.serverName)) return false
  const prevEvents = await context.store.getMany(prevEventIdsOf(pdu))
  return prevEvents.length > 0 && prevEvents.every((event) => event?.roomId === roomId && event.stateAfter !== undefined)
}

async function installAnew(context: RoomsContext, installation: Installation, signal: AbortSignal): Promise<InstallOutcome> {
  const { roomId, version, eventId, pdu, state, partial } = installation
  const old = context.rooms.get(roomId)
  const ids = idsOfState(state)
  const row: RoomRow = {
    version: version.id,
    extremities: [],
    state: EMPTY_STATE,
    depth: old?.row.depth ?? 0,
    ...(old?.row.doubtful === undefined ? {} : { doubtful: old.row.doubtful }),
    ...(old?.row.bumpedAt === undefined ? {} : { bumpedAt: old.row.bumpedAt }),
    ...(partial === undefined ? {} : { partial: { joinEventId: eventId, servers: partial.servers, stateBefore: await rootOf(ids) } }),
  }
  // A new Room also for one that is there: readers of the old see it unchanged until the new one takes its place.
  const waiting = { pendingRedactions: new Map(old?.pendingRedactions), gaps: new Map(old?.gaps) }
  const room = new Room(roomId, version, row, IndexedState.of(state), waiting)
  const draft = new RoomDraft(room, context)
  const stateBefore = await draft.beginWith(ids)
  const known = await context.store.get(eventId)
  const appended = await draft.append({ ...(known ?? { eventId, roomId, pdu }), status: 'accepted', stateBefore }, { forward: false })
  signal.throwIfAborted()
  await commitDraft(context, draft, () => context.rooms.show(room))
  // A room that lacked members before may be whole by this.
  context.completions.tell(roomId)
  return { kind: 'joined', roomId, eventId, position: appended.position }
}

/** The room goes on from what is here: the answer brings the join, and what the state was before it is known better here. */
async function joinActiveRoom(context: RoomsContext, room: Room, { eventId, pdu }: Installation): Promise<InstallOutcome> {
  const draft = new RoomDraft(room, context)
  const prevEvents = await draft.eventsOf(prevEventIdsOf(pdu))
  const stateBefore = await draft.merge(prevEvents.map((event) => event?.stateAfter).filter((root) => root !== undefined))
  const outcome = await receiveInState(context, draft, { eventId, pdu, stateBefore })
  if (outcome.kind === 'accepted') return { kind: 'joined', roomId: room.roomId, eventId, position: outcome.position }
  return invalid(outcome.kind === 'rejected' || outcome.kind === 'soft-failed' ? outcome.reason : outcome.kind)
}

/** Receives an event with the state before it as another server tells it. */
export async function receiveWithState(
  context: RoomsContext,
  roomId: RoomId,
  pdu: Pdu,
  before: StateBeforeInput,
  signal: AbortSignal,
): Promise<ReceiveOutcome> {
  const room = context.rooms.get(roomId)
  if (room === undefined) return { kind: 'unknown-room' }
  const verified = await verifyPdu(pdu, roomId, room.version, context.ports.crypto)
  const { eventId } = verified
  if (verified.kind === 'invalid') return { kind: 'rejected', eventId, reason: verified.reason }
  const events = await judgeOutliers(context, roomId, room.version, before.events, signal)
  await storeOutliers(context, roomId, events.values(), signal)
  const receive = async (): Promise<ReceiveOutcome> => {
    const known = await context.store.get(eventId)
    if (isEventIdTaken(known, roomId, verified.pdu, room.version)) return { kind: 'rejected', eventId, reason: 'event-id.taken' }
    if (known?.stateBefore !== undefined) return { kind: 'duplicate', eventId }
    const authEventIds = authEventIdsOf(verified.pdu)
    const [stateEvents, authEvents] = await Promise.all([context.store.getMany(before.stateIds), context.store.getMany(authEventIds)])
    const missingAuth = authEventIds.filter((_, index) => authEvents[index] === undefined)
    const missing = [...before.stateIds.filter((_, index) => stateEvents[index] === undefined), ...missingAuth]
    if (missing.length > 0) return { kind: 'missing', eventId, eventIds: missing, authEventIds: missing }
    if (stateEvents.some((event) => event?.roomId !== roomId)) return { kind: 'rejected', eventId, reason: 'state.other-room' }
    const state = stateOfEvents(stateEvents.filter((event) => event !== undefined))
    if (typeof state === 'string') return { kind: 'rejected', eventId, reason: state }
    if (!beginsAlike(room, state)) return { kind: 'rejected', eventId, reason: 'state.other-create' }
    const draft = new RoomDraft(context.rooms.get(roomId) ?? room, context)
    const stateBefore = await draft.stateOf(idsOfState(state))
    return receiveInState(context, draft, { eventId, pdu: verified.pdu, stateBefore })
  }
  return context.queues.runAlone(roomId, receive, signal)
}

async function receiveInState(
  context: RoomsContext,
  draft: RoomDraft,
  { eventId, pdu, stateBefore }: { readonly eventId: EventId; readonly pdu: Pdu; readonly stateBefore: StateRoot },
): Promise<ReceiveOutcome> {
  const known = await draft.event(eventId)
  if (known?.status === 'accepted') {
    // It came by backfill and has its place; only the state around it was not known.
    draft.putAside({ ...known, stateBefore, stateAfter: await draft.stateAfter(known, stateBefore) })
    await commitDraft(context, draft)
    return { kind: 'duplicate', eventId }
  }
  const options = { forward: false, late: draft.isBehindGap(eventId) }
  const judgement = await rejectingTooLong(eventId, async () => judgeInState(draft, { eventId, pdu, stateBefore }, options))
  await commitDraft(context, draft)
  switch (judgement.kind) {
    case 'appended':
      return { kind: 'accepted', eventId, position: judgement.appended.position }
    case 'inserted':
      return { kind: 'accepted', eventId, position: context.timeline.position }
    default:
      return judgement
  }
}

async function rootOf(ids: StateIds): Promise<StateRoot> {
  const nothing = { nodes: async () => [EMPTY_LEAF] }
  return (await changeTrie(nothing, EMPTY_STATE, ids)).root
}

function invalid(reason: string): InstallOutcome {
  return { kind: 'invalid', reason }
}
