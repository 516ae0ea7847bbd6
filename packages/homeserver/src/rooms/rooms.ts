import type { EventId, Pdu, RoomId, RoomVersion, ServerName, StateKey, UserId, JsonObject } from '@kith/matrix-protocol'
import type { Clock, Crypto, Log, Random, Storage } from '../ports/index.ts'
import type { Timeline } from '../timeline/index.ts'
import type * as outcomes from './outcomes.ts'
import type { RoomState } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

export interface RoomsPorts {
  readonly storage: Storage
  readonly crypto: Crypto
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** The rooms this server knows: their events, their state, and the one serial queue that changes each of them. */
export declare class Rooms {
  static open(ports: RoomsPorts, timeline: Timeline, serverName: ServerName): Promise<Rooms>
  create(input: outcomes.CreateRoomInput, signal: AbortSignal): Promise<outcomes.CreateRoomOutcome>
  send(input: outcomes.SendInput, signal: AbortSignal): Promise<outcomes.SendOutcome>
  /** A signed event of a user of this server, not stored. */
  buildEvent(input: outcomes.EventDraft & { roomId: RoomId; sender: UserId }, signal: AbortSignal): Promise<outcomes.BuildOutcome>
  /** For make_join, make_leave, make_knock: an event of a remote user without hash and signatures. */
  makeTemplate(input: outcomes.EventDraft & { roomId: RoomId; sender: UserId }, signal: AbortSignal): Promise<outcomes.TemplateOutcome>
  /** Adds the content hash when there is none, and this server's signature. */
  signPdu(pdu: Pdu, version: RoomVersion): Promise<Pdu>
  receive(roomId: RoomId, pdu: Pdu, signal: AbortSignal): Promise<outcomes.ReceiveOutcome>
  /** As `receive`, and when accepted the event goes to the other servers of the room: for send_join, send_leave and signed invites. */
  receiveAndForward(roomId: RoomId, pdu: Pdu, signal: AbortSignal): Promise<outcomes.ReceiveOutcome>
  receiveMany(roomId: RoomId, pdus: readonly Pdu[], signal: AbortSignal): Promise<Map<EventId, outcomes.ReceiveOutcome>>
  /** Receives an event whose prev_events cannot be had, with the state before it as another server tells it. */
  receiveWithState(roomId: RoomId, pdu: Pdu, before: outcomes.StateBeforeInput, signal: AbortSignal): Promise<outcomes.ReceiveOutcome>
  installJoined(input: outcomes.InstallJoinedInput, signal: AbortSignal): Promise<outcomes.InstallOutcome>
  /** Backfilled events, older than what is stored. `authEvents`: auth events that are not stored yet. */
  appendHistory(roomId: RoomId, pdus: readonly Pdu[], authEvents: readonly Pdu[], signal: AbortSignal): Promise<Map<EventId, outcomes.HistoryOutcome>>
  putInvite(invite: outcomes.OutOfBandInvite, signal: AbortSignal): Promise<void>
  invite(roomId: RoomId, userId: UserId): outcomes.StoredInvite | undefined
  invites(userId: UserId): readonly outcomes.StoredInvite[]
  dropInvite(roomId: RoomId, userId: UserId, signal: AbortSignal): Promise<void>
  has(roomId: RoomId): boolean
  version(roomId: RoomId): RoomVersion | undefined
  roomIds(): RoomId[]
  state(roomId: RoomId): RoomState | undefined
  /** Undefined when the event or the state there is not known. */
  stateBefore(eventId: EventId): Promise<RoomState | undefined>
  stateAfter(eventId: EventId): Promise<RoomState | undefined>
  stateIdsBefore(eventId: EventId): Promise<ReadonlyMap<StateKey, EventId> | undefined>
  event(eventId: EventId): Promise<StoredEvent | undefined>
  events(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]>
  extremities(roomId: RoomId): readonly EventId[]
  page(roomId: RoomId, input: outcomes.PageInput): Promise<outcomes.HistoryPage>
  timelineSince(roomId: RoomId, position: number, limit: number): Promise<outcomes.TimelineSlice>
  /** The auth chains of these events, themselves not included; undefined when longer than the limit. */
  authChain(eventIds: readonly EventId[]): Promise<StoredEvent[] | undefined>
  /** For get_missing_events: what lies between, newest first. */
  missingEvents(roomId: RoomId, input: { earliest: readonly EventId[]; latest: readonly EventId[]; limit: number; minDepth: number }): Promise<StoredEvent[]>
  joinedRooms(userId: UserId): RoomId[]
  roomsWithServer(server: ServerName): RoomId[]
  serversSharingRooms(userId: UserId): Set<ServerName>
  /** Local users share a room with this user. */
  usersSharingRooms(userId: UserId): Set<UserId>
  readonly strippedStateFor: (roomId: RoomId) => JsonObject[]
}
