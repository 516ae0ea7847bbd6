import {
  authEventIdsOf,
  authorise,
  authoriseByAuthEvents,
  createEventIdOf,
  type EventId,
  eventIdOf,
  parseUserId,
  type Pdu,
  type RoomId,
  roomIdOf,
  roomVersion,
  type RoomVersion,
  serverNameOf,
  type StateKey,
  stateKeyOf,
} from '@kith/matrix-protocol'
import type { InstallJoinedInput, InstallOutcome, ReceiveOutcome, StateBeforeInput } from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { judgeInState, type ReceiveOptions } from './receive-event.ts'
import { Room, toAuthEvent } from './room.ts'
import { RoomDraft } from './room-draft.ts'
import { commitDraft, type RoomsContext } from './rooms-context.ts'
import { IndexedState } from './room-state.ts'
import { readWhole, wholeSnapshot } from './snapshots.ts'
import type { StoredEvent } from './stored-event.ts'
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
  return context.queues.runAlone(
    roomId,
    async () => {
      const room = context.rooms.get(roomId)
      if (room?.state.isJoined(context.serverName) === true)
        return joinActiveRoom(context, room, { ...joined, version, events, input }, signal)
      return installRoom(context, { ...joined, version, roomId, events, input }, signal)
    },
    signal,
  )
}

interface Installation {
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly version: RoomVersion
  readonly events: ReadonlyMap<EventId, StoredEvent>
  readonly input: InstallJoinedInput
}

function joinFault(context: RoomsContext, event: Pdu): string | undefined {
  const userId = parseUserId(event.state_key)
  if (event.type !== 'm.room.member' || event.content['membership'] !== 'join' || userId === undefined) return 'not a join event'
  return serverNameOf(userId) === context.serverName ? undefined : 'not a join of a user of this server'
}

async function installRoom(
  context: RoomsContext,
  installation: Installation & { readonly roomId: RoomId },
  signal: AbortSignal,
): Promise<InstallOutcome> {
  const { roomId, version, eventId, pdu, events, input } = installation
  const state = toState(version, input.state, events)
  if (typeof state === 'string') return invalid(state)
  const denied = joinDenial(installation, state)
  if (denied !== undefined) return invalid(denied)
  await storeOutliers(context, events.values(), signal)
  const old = context.rooms.get(roomId)
  const before = old?.row.nextSnapshot ?? 0
  const ids = new Map(Array.from(state, ([key, event]) => [key, event.eventId]))
  // A new Room also for one that was left: readers of the old see it unchanged until the new one takes its place.
  const row = { version: version.id, extremities: [], snapshot: before, nextSnapshot: before + 1, depth: old?.row.depth ?? 0 }
  const room = new Room(roomId, version, row, IndexedState.of(state), new Map(old?.pendingRedactions))
  const draft = new RoomDraft(room, context.serverName, context.store, context.snapshots)
  draft.putSnapshot(before, wholeSnapshot(before, ids))
  const appended = await draft.append({ eventId, roomId, pdu, status: 'accepted', stateBefore: before }, { forward: false })
  signal.throwIfAborted()
  await commitDraft(context, draft, () => context.rooms.set(roomId, room))
  return { kind: 'joined', roomId, eventId, position: appended.position }
}

/** The room goes on here already: the answer may add what is missing, and change nothing. */
async function joinActiveRoom(context: RoomsContext, room: Room, installation: Installation, signal: AbortSignal): Promise<InstallOutcome> {
  const { eventId, pdu, events, input, version } = installation
  const known = await context.store.get(eventId)
  if (known?.position !== undefined && known.status === 'accepted')
    return { kind: 'joined', roomId: room.roomId, eventId, position: known.position }
  const state = toState(version, input.state, events)
  if (typeof state === 'string') return invalid(state)
  await storeOutliers(context, events.values(), signal)
  const outcome = await receiveInState(context, room, { eventId, pdu, state }, { forward: false })
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
  return context.queues.runAlone(
    roomId,
    async (): Promise<ReceiveOutcome> => {
      const known = await context.store.get(eventId)
      if (known?.stateAfter !== undefined) return { kind: 'duplicate', eventId }
      await storeOutliers(context, events.values(), signal)
      const [stateEvents, authEvents] = await Promise.all([
        context.store.getMany(before.stateIds),
        context.store.getMany(authEventIdsOf(verified.pdu)),
      ])
      const missing = [
        ...before.stateIds.filter((_, index) => stateEvents[index] === undefined),
        ...authEventIdsOf(verified.pdu).filter((_, index) => authEvents[index] === undefined),
      ]
      if (missing.length > 0) return { kind: 'missing', eventId, eventIds: missing }
      const state = toStateMap(stateEvents.filter((event) => event !== undefined))
      if (typeof state === 'string') return { kind: 'rejected', eventId, reason: state }
      const current = context.rooms.get(roomId) ?? room
      return receiveInState(context, current, { eventId, pdu: verified.pdu, state }, { forward: false })
    },
    signal,
  )
}

async function receiveInState(
  context: RoomsContext,
  room: Room,
  event: { readonly eventId: EventId; readonly pdu: Pdu; readonly state: ReadonlyMap<StateKey, StoredEvent> },
  options: ReceiveOptions,
): Promise<ReceiveOutcome> {
  const draft = new RoomDraft(room, context.serverName, context.store, context.snapshots)
  const ids = new Map(Array.from(event.state, ([key, stateEvent]) => [key, stateEvent.eventId]))
  const current = { id: draft.currentSnapshot, state: await readWhole(draft, draft.currentSnapshot) }
  const stateBefore = await draft.addSnapshot([current], ids)
  const judgement = await judgeInState(draft, { eventId: event.eventId, pdu: event.pdu, stateBefore }, options)
  await commitDraft(context, draft)
  if (judgement.kind !== 'appended') return judgement
  return { kind: 'accepted', eventId: event.eventId, position: judgement.appended.position }
}

/** The state that these events are, or what is wrong with them. */
function toState(
  version: RoomVersion,
  pdus: readonly Pdu[],
  events: ReadonlyMap<EventId, StoredEvent>,
): Map<StateKey, StoredEvent> | string {
  const ids = new Set(pdus.map((pdu) => eventIdOf(pdu, version)))
  const found = Array.from(ids, (eventId) => events.get(eventId)).filter((event) => event !== undefined)
  return toStateMap(found)
}

function toStateMap(events: readonly StoredEvent[]): Map<StateKey, StoredEvent> | string {
  const state = new Map<StateKey, StoredEvent>()
  for (const event of events) {
    if (event.status === 'rejected') continue
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return 'the state contains a message'
    const key = stateKeyOf(type, stateKey)
    if (state.has(key)) return 'the state contains an entry twice'
    state.set(key, event)
  }
  return state.has(stateKeyOf('m.room.create', '')) ? state : 'the state lacks the create event'
}

function joinDenial({ eventId, pdu, version, events }: Installation, state: ReadonlyMap<StateKey, StoredEvent>): string | undefined {
  const createEvent = version.roomIdIsCreateEvent && pdu.room_id !== undefined ? events.get(createEventIdOf(pdu.room_id)) : undefined
  const context = { createEvent: createEvent === undefined ? undefined : toAuthEvent(createEvent) }
  const candidate = { eventId, pdu, rejected: false }
  const authEvents = authEventIdsOf(pdu).map((authId) => events.get(authId))
  if (authEvents.includes(undefined)) return 'the auth chain is incomplete'
  const cited = authEvents.filter((event) => event !== undefined).map(toAuthEvent)
  const byAuthEvents = authoriseByAuthEvents(candidate, cited, version, context)
  if (byAuthEvents.kind === 'denied') return byAuthEvents.rule
  const lookUp = (type: string, stateKey: string): ReturnType<typeof toAuthEvent> | undefined => {
    const event = state.get(stateKeyOf(type, stateKey))
    return event === undefined ? undefined : toAuthEvent(event)
  }
  const byState = authorise(candidate, lookUp, version, context)
  return byState.kind === 'denied' ? byState.rule : undefined
}

function invalid(reason: string): InstallOutcome {
  return { kind: 'invalid', reason }
}
