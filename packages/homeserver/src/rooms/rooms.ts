import {
  addContentHash,
  type EventId,
  type JsonObject,
  type Pdu,
  type RoomId,
  type RoomVersion,
  type ServerName,
  type StateKey,
  stateKeyOf,
  strippedState,
  type UnhashedPdu,
  type UserId,
} from '@kith/matrix-protocol'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import { appendHistory } from './append-history.ts'
import { addSignature } from './build-event.ts'
import { completeState, type GiveUp } from './complete-state.ts'
import { CurrentRooms } from './current-rooms.ts'
import { type MissingEventsInput, walkAuthChain, walkMissingEvents } from './dag-walks.ts'
import { EventStore } from './event-store.ts'
import { readEventNear, readPage, readTimelineSince } from './history.ts'
import { formatHistoryToken } from './history-token.ts'
import { installJoinedRoom, receiveWithState } from './install-room.ts'
import { Invites } from './invites.ts'
import { loadState, openRooms } from './open-rooms.ts'
import type {
  BuildOutcome,
  CompleteOutcome,
  CreateRoomInput,
  CreateRoomOutcome,
  EventDraft,
  HistoryOutcome,
  HistoryPage,
  InstallJoinedInput,
  InstallOutcome,
  OutOfBandInvite,
  PageInput,
  ReceiveOutcome,
  SendInput,
  SendOutcome,
  StateBeforeInput,
  StoredInvite,
  TemplateOutcome,
  TimelineSlice,
} from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { readEntriesSince, readStateAt, type StateAtPosition } from './read-states.ts'
import { receiveEvents } from './receive-event.ts'
import { RelationReader } from './relations.ts'
import type { RoomActivity } from './room-activity.ts'
import type { RoomState } from './room-state.ts'
import { Completions, RoomQueues, type RoomsContext, type RoomsPorts } from './rooms-context.ts'
import { buildSignedEvent, createRoom, makeEventTemplate, sendEvent } from './send-event.ts'
import { StateStore } from './state-store.ts'
import type { StateIds, StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import type { PartialJoin } from './tables.ts'

export interface PartialRoom extends Pick<PartialJoin, 'joinEventId' | 'servers'> {
  readonly roomId: RoomId
}

type SenderAndEvent = EventDraft & { readonly roomId: RoomId; readonly sender: UserId }

/**
 * The rooms that this server knows: their events, their state, and the one serial queue that changes each of them.
 *
 * Invariants:
 * 1. A change is one storage transaction: event, state, timeline row, outbox rows. Its promise resolves after the commit.
 * 2. What is read without waiting (`state`, `extremities`, …) is what was committed last.
 * 3. Every event that is shown passed the auth rules by what it cites, in the state before it, and in the state of its arrival.
 */
export class Rooms {
  readonly relations: RelationReader
  readonly #context: RoomsContext

  private constructor(context: RoomsContext) {
    this.#context = context
    this.relations = new RelationReader(context.ports.storage)
  }

  static async open(ports: RoomsPorts, timeline: Timeline, serverName: ServerName): Promise<Rooms> {
    const store = new EventStore(ports.storage)
    const states = new StateStore(ports.storage)
    const rooms = new CurrentRooms(serverName, await openRooms(ports.storage, store, states))
    const invites = await Invites.open(ports.storage, timeline)
    const context: RoomsContext = {
      ports,
      timeline,
      serverName,
      rooms,
      store,
      states,
      invites,
      creating: new Set(),
      queues: new RoomQueues(() => context),
      completions: new Completions(),
    }
    return new Rooms(context)
  }

  /** All events of a new room in one commit. */
  async create(input: CreateRoomInput, signal: AbortSignal): Promise<CreateRoomOutcome> {
    return createRoom(this.#context, input, signal)
  }

  /** @throws RoomBusyError when too many changes wait in this room; StorageFullError. */
  async send(input: SendInput, signal: AbortSignal): Promise<SendOutcome> {
    return sendEvent(this.#context, input, signal)
  }

  /** A signed event of a user of this server, not stored. */
  async buildEvent(input: SenderAndEvent, signal: AbortSignal): Promise<BuildOutcome> {
    return buildSignedEvent(this.#context, input, signal)
  }

  /** For make_join, make_leave and make_knock: an event of a remote user without hash and signatures. */
  async makeTemplate(input: SenderAndEvent, signal: AbortSignal): Promise<TemplateOutcome> {
    return makeEventTemplate(this.#context, input, signal)
  }

  /** Adds this server's signature to an event, and first the content hash where there is none. */
  async signPdu(pdu: UnhashedPdu, version: RoomVersion): Promise<Pdu> {
    const hashed =
      pdu.hashes === undefined || pdu.signatures === undefined
        ? addContentHash(pdu, version)
        : { ...pdu, hashes: pdu.hashes, signatures: pdu.signatures }
    return addSignature(hashed, version, this.#context.serverName, this.#context.ports.crypto)
  }

  /** @param pdu parsed by the caller; hash, signatures, auth and state are checked here. */
  async receive(roomId: RoomId, pdu: Pdu, signal: AbortSignal): Promise<ReceiveOutcome> {
    return this.#receiveOne(roomId, pdu, false, signal)
  }

  /** As `receive`, and when accepted the event goes to the other servers of the room: for send_join, send_leave and signed invites. */
  async receiveAndForward(roomId: RoomId, pdu: Pdu, signal: AbortSignal): Promise<ReceiveOutcome> {
    return this.#receiveOne(roomId, pdu, true, signal)
  }

  /** Judges the events in the given order, so predecessors should come first. Empty for an unknown room. */
  async receiveMany(roomId: RoomId, pdus: readonly Pdu[], signal: AbortSignal): Promise<Map<EventId, ReceiveOutcome>> {
    return (await receiveEvents(this.#context, roomId, pdus, { forward: false }, signal)) ?? new Map()
  }

  /** Receives an event whose prev_events cannot be had, with the state before it as another server tells it. */
  async receiveWithState(roomId: RoomId, pdu: Pdu, before: StateBeforeInput, signal: AbortSignal): Promise<ReceiveOutcome> {
    return receiveWithState(this.#context, roomId, pdu, before, signal)
  }

  /** Makes a room of the answer to send_join; all is verified here. */
  async installJoined(input: InstallJoinedInput, signal: AbortSignal): Promise<InstallOutcome> {
    return installJoinedRoom(this.#context, input, signal)
  }

  /** The event to which a server may still look that is not in the room any more although no event that it would hear of says so. */
  async displacing(roomId: RoomId, server: ServerName): Promise<StoredEvent | undefined> {
    const row = this.#context.rooms.get(roomId)?.row
    const displaced = row?.displaced?.find((each) => each.server === server)
    return displaced === undefined ? undefined : this.event(displaced.by)
  }

  /** Whether the state of the room still lacks members, after a join that left them out. */
  isPartial(roomId: RoomId): boolean {
    return this.#context.rooms.get(roomId)?.row.partial !== undefined
  }

  /** The rooms that wait for `completeState`; also after a restart. */
  partialRooms(): readonly PartialRoom[] {
    return [...this.#context.rooms.values()].flatMap(({ roomId, row: { partial } }) =>
      partial === undefined ? [] : [{ roomId, joinEventId: partial.joinEventId, servers: partial.servers }],
    )
  }

  /** @param before the whole state before the join event. */
  async completeState(roomId: RoomId, before: StateBeforeInput, giveUp: GiveUp, signal: AbortSignal): Promise<CompleteOutcome> {
    return completeState(this.#context, roomId, before, giveUp, signal)
  }

  /** Resolves as soon as the state of the room is whole, at once where it is. */
  async whenComplete(roomId: RoomId, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.isPartial(roomId)) await this.#context.completions.wait(roomId, signal)
  }

  /**
   * Stores events that others cite or that are part of a state, without a place in the room's history.
   * Returns those that are known now.
   */
  async addOutliers(roomId: RoomId, pdus: readonly Pdu[], signal: AbortSignal): Promise<ReadonlySet<EventId>> {
    const version = this.version(roomId)
    if (version === undefined) return new Set()
    const judged = await judgeOutliers(this.#context, roomId, version, pdus, signal)
    await storeOutliers(this.#context, roomId, judged.values(), signal)
    return new Set(judged.keys())
  }

  /**
   * Backfilled events, older than what is stored. They get no timeline row; paging shows them in their place.
   * @param authEvents those cited by the events that are not stored yet. Empty result for an unknown room.
   */
  async appendHistory(
    roomId: RoomId,
    pdus: readonly Pdu[],
    authEvents: readonly Pdu[],
    signal: AbortSignal,
  ): Promise<Map<EventId, HistoryOutcome>> {
    return (await appendHistory(this.#context, roomId, pdus, authEvents, signal)) ?? new Map()
  }

  /** Stores an invite or a knock in the place of an earlier one. Returns false when the user has too many. */
  async putInvite(invite: OutOfBandInvite, signal: AbortSignal): Promise<boolean> {
    return this.#context.invites.put(invite, signal)
  }

  invite(roomId: RoomId, userId: UserId): StoredInvite | undefined {
    const found = this.#context.invites.get(roomId, userId)
    return isKnock(found) ? undefined : found
  }

  knock(roomId: RoomId, userId: UserId): StoredInvite | undefined {
    const found = this.#context.invites.get(roomId, userId)
    return isKnock(found) ? found : undefined
  }

  /** Knocks included. */
  invites(userId: UserId): readonly StoredInvite[] {
    return this.#context.invites.of(userId)
  }

  /** Drops an invite or a knock. `extraWrites`: further writes of the same commit. */
  async dropInvite(
    roomId: RoomId,
    userId: UserId,
    signal: AbortSignal,
    extraWrites?: (transaction: TimelineTransaction) => void,
  ): Promise<void> {
    return this.#context.invites.drop(roomId, userId, signal, extraWrites)
  }

  has(roomId: RoomId): boolean {
    return this.#context.rooms.has(roomId)
  }

  version(roomId: RoomId): RoomVersion | undefined {
    return this.#context.rooms.get(roomId)?.version
  }

  /** Rooms that were left included. */
  roomIds(): RoomId[] {
    return [...this.#context.rooms.keys()]
  }

  /** When the room changed last, with the state since then; read together with `state`, both are of one moment. */
  activity(roomId: RoomId): RoomActivity | undefined {
    return this.#context.rooms.get(roomId)?.activity
  }

  state(roomId: RoomId): RoomState | undefined {
    return this.#context.rooms.get(roomId)?.state
  }

  /**
   * What goes with an invite to the room: whole events, so that the other server can check them.
   * @param members whose membership events are included.
   */
  strippedStateFor(roomId: RoomId, members: readonly UserId[] = []): JsonObject[] {
    const state = this.state(roomId)
    if (state === undefined) return []
    return strippedState((type, stateKey) => state.get(type, stateKey)?.pdu, members) as unknown as JsonObject[]
  }

  /** Undefined when the event, or the state there, is not known. */
  async stateBefore(eventId: EventId): Promise<RoomState | undefined> {
    const ids = await this.stateIdsBefore(eventId)
    return ids === undefined ? undefined : loadState(this.#context.store, ids)
  }

  async stateAfter(eventId: EventId): Promise<RoomState | undefined> {
    const event = await this.event(eventId)
    const ids = await this.#readState(event, event?.stateAfter)
    return ids === undefined ? undefined : loadState(this.#context.store, ids)
  }

  async stateIdsBefore(eventId: EventId): Promise<StateIds | undefined> {
    const event = await this.event(eventId)
    return this.#readState(event, event?.stateBefore)
  }

  /** One entry of the state before an event. */
  async stateIdBefore(event: StoredEvent, type: string, stateKey: string): Promise<EventId | undefined> {
    if (event.stateBefore === undefined) return undefined
    return this.#context.states.of(event.roomId).lookUp(event.stateBefore, stateKeyOf(type, stateKey))
  }

  /** The room's current state as it was at a stream position; undefined when the room was not known then. */
  async stateAt(roomId: RoomId, position: number): Promise<StateAtPosition | undefined> {
    return readStateAt(this.#context, roomId, position)
  }

  /** The entries of a state that another state of the room lacks or has otherwise; all of them without another. Costs what differs. */
  async stateEntriesSince(roomId: RoomId, from: StateRoot | undefined, to: StateRoot): Promise<Map<StateKey, EventId>> {
    return readEntriesSince(this.#context, roomId, from, to)
  }

  async event(eventId: EventId): Promise<StoredEvent | undefined> {
    return this.#context.store.get(eventId)
  }

  /** One result for each id, in their order. */
  async events(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]> {
    return this.#context.store.getMany(eventIds)
  }

  /** Events that are not part of the room here, each with the events of the room that follow it: where the history is not complete. */
  gaps(roomId: RoomId): ReadonlyMap<EventId, ReadonlySet<EventId>> {
    return this.#context.rooms.get(roomId)?.gaps ?? new Map()
  }

  extremities(roomId: RoomId): readonly EventId[] {
    return this.#context.rooms.get(roomId)?.row.extremities ?? []
  }

  /** History tokens just before and just after an event of the room's history. */
  tokensAround(event: StoredEvent): { readonly before: string; readonly after: string } {
    const { depth } = event.pdu
    const sequence = event.sequence ?? 0
    return {
      before: formatHistoryToken({ depth, sequence, below: undefined }),
      after: formatHistoryToken({ depth, sequence: sequence + 1, below: undefined }),
    }
  }

  /** @throws RangeError when `from` is no history token; see isHistoryToken. */
  async page(roomId: RoomId, input: PageInput): Promise<HistoryPage> {
    return readPage(this.#context, roomId, input)
  }

  /** The event of the room that is closest to a time (ms), not before it (`f`) or not after it (`b`). */
  async eventsNear(roomId: RoomId, timestamp: number, direction: 'f' | 'b'): Promise<StoredEvent | undefined> {
    return readEventNear(this.#context, roomId, timestamp, direction)
  }

  /** The newest events of the room after a stream position, at most `limit`, up to and with the position `until`. */
  async timelineSince(roomId: RoomId, position: number, limit: number, until = this.#context.timeline.position): Promise<TimelineSlice> {
    return readTimelineSince(this.#context, roomId, position, limit, until)
  }

  /** The auth chains of these events, themselves not included; undefined when longer than the limit. */
  async authChain(eventIds: readonly EventId[]): Promise<StoredEvent[] | undefined> {
    return walkAuthChain(this.#context.store, eventIds)
  }

  /** What lies between, for get_missing_events and backfill. Oldest first. */
  async missingEvents(roomId: RoomId, input: MissingEventsInput): Promise<StoredEvent[]> {
    return walkMissingEvents(this.#context.store, roomId, input)
  }

  joinedRooms(userId: UserId): RoomId[] {
    return this.#context.rooms.joinedBy(userId)
  }

  isInRooms(userId: UserId): boolean {
    return this.#context.rooms.isJoinedAnywhere(userId)
  }

  roomsWithServer(server: ServerName): RoomId[] {
    return [...this.#context.rooms.values()].filter(({ state }) => state.isJoined(server)).map(({ roomId }) => roomId)
  }

  /** Servers joined to a room where the user is joined, this one included. */
  serversSharingRooms(userId: UserId): Set<ServerName> {
    return new Set(this.#context.rooms.statesWith(userId).flatMap((state) => state.joinedServers()))
  }

  /** Users joined to a room where the user is joined, the user included. */
  usersSharingRooms(userId: UserId): Set<UserId> {
    const users = new Set<UserId>()
    for (const state of this.#context.rooms.statesWith(userId)) for (const member of state.members('join')) users.add(member.userId)
    return users
  }

  async #receiveOne(roomId: RoomId, pdu: Pdu, forward: boolean, signal: AbortSignal): Promise<ReceiveOutcome> {
    const outcomes = await receiveEvents(this.#context, roomId, [pdu], { forward }, signal)
    const [outcome] = outcomes?.values() ?? []
    return outcome ?? { kind: 'unknown-room' }
  }

  async #readState(event: StoredEvent | undefined, root: StateRoot | undefined): Promise<StateIds | undefined> {
    return event === undefined || root === undefined ? undefined : this.#context.states.of(event.roomId).whole(root)
  }
}

function isKnock(invite: StoredInvite | undefined): boolean {
  return invite?.event.content['membership'] === 'knock'
}
