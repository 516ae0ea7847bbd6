import { authEventIdsOf, type EventId, prevEventIdsOf, type RoomId, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { idsOfState, joinDenial, type StateEvents, stateOfEvents } from './installed-state.ts'
import type { CompleteOutcome, StateBeforeInput } from './outcomes.ts'
import { judgeOutliers, storeOutliers } from './outliers.ts'
import { Room } from './room.ts'
import { type EventWithState, RoomDraft } from './room-draft.ts'
import { commitDraft, type RoomsContext } from './rooms-context.ts'
import { IndexedState } from './room-state.ts'
import { RulesFor } from './rules-for.ts'
import { EMPTY_STATE, type StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import { roomsTables } from './tables.ts'

/** Lets go of what waits for a server that was never in the room. */
export type GiveUp = (server: ServerName) => Promise<void>

/**
 * Brings the members that the answer to a join left out: judges everything that came since again, from the whole state before the join
 * on, a bounded number of events in each commit, and lets the room change over with the last. Between the commits the room lives on. A
 * crash leaves it as it was, with the state of some events better than before; completing it again starts over and ends the same.
 */
export async function completeState(
  context: RoomsContext,
  roomId: RoomId,
  before: StateBeforeInput,
  giveUp: GiveUp,
  signal: AbortSignal,
): Promise<CompleteOutcome> {
  const room = context.rooms.get(roomId)
  if (room === undefined) return { kind: 'unknown-room' }
  if (room.row.partial === undefined) return { kind: 'completed', position: context.timeline.position }
  const judged = await judgeOutliers(context, roomId, room.version, before.events, signal)
  await storeOutliers(context, roomId, judged.values(), signal)
  const begun = await context.queues.runAlone(roomId, async () => Completion.begin(context, room, before, signal), signal)
  if (typeof begun === 'string') return { kind: 'invalid', reason: begun }
  // While the room lacks members a restart begins anew, so that none of these is left over.
  for (const server of begun.strangers) {
    signal.throwIfAborted()
    await giveUp(server)
  }
  for (;;) {
    const outcome = await context.queues.runAlone(roomId, async () => begun.step(signal), signal)
    if (outcome !== undefined) return outcome
  }
}

class Completion {
  readonly #context: RoomsContext
  /** The room as it is shown while this works. */
  readonly #room: Room
  /** The room as it will be. */
  readonly #next: Room
  #after: readonly [RoomId, number]
  /** Servers that the answer to the join named, and that nobody in the room is of. */
  readonly strangers: ReadonlySet<ServerName>

  static async begin(context: RoomsContext, room: Room, before: StateBeforeInput, signal: AbortSignal): Promise<Completion | string> {
    const { partial } = room.row
    if (context.rooms.get(room.roomId) !== room || partial === undefined) return 'the room was joined anew'
    const join = await context.store.get(partial.joinEventId)
    if (join?.position === undefined) throw new Error('the join of a room is not in its timeline')
    const events = await context.store.getMany(before.stateIds)
    const stored = events.filter((event) => event !== undefined)
    if (stored.length < events.length) return 'events of the state are missing'
    if (stored.some((event) => event.roomId !== room.roomId)) return 'the state contains events of another room'
    const state = stateOfEvents(stored)
    if (typeof state === 'string') return state
    const cited = new Map([...(await authEventsOf(context, room, join)), ...stored.map((event) => [event.eventId, event] as const)])
    const denied = joinDenial({ ...join, version: room.version, events: cited, state, isPartial: false })
    if (denied !== undefined) return denied
    // The first commit of the room says what its state was, and only members were left out of it.
    for (const [key, eventId] of await context.states.of(room.roomId).whole(partial.stateBefore)) {
      if (state.get(key)?.eventId !== eventId) return 'the state is another one than the answer to the join told'
    }
    signal.throwIfAborted()
    const completion = new Completion(context, room, state, join.position)
    await completion.#judgeJoin(join, state)
    return completion
  }

  private constructor(context: RoomsContext, room: Room, state: StateEvents, joinPosition: number) {
    this.#context = context
    this.#room = room
    const { version, depth, bumpedAt } = room.row
    const row = { version, depth, extremities: [], state: EMPTY_STATE, ...(bumpedAt === undefined ? {} : { bumpedAt }) }
    // What the room waits for is one and the same for both.
    this.#next = new Room(room.roomId, room.version, row, IndexedState.of(state), room)
    this.#after = [room.roomId, joinPosition]
    const members = [...room.state.members(), ...this.#next.state.members()]
    this.strangers = new Set(room.row.partial?.servers).difference(new Set(members.map(({ userId }) => serverNameOf(userId))))
    // From now on nothing more is addressed to them.
    room.state.stopAssuming(this.strangers)
  }

  /** Judges the next events again. Undefined while there are more. */
  async step(signal: AbortSignal): Promise<CompleteOutcome | undefined> {
    const { roomId } = this.#room
    if (this.#context.rooms.get(roomId) !== this.#room) return { kind: 'invalid', reason: 'the room was joined anew' }
    signal.throwIfAborted()
    const limit = limits.implementation.judgedAgainPerCommitMax
    const rows = await this.#context.ports.storage.range(roomsTables.judgedPartially, { prefix: [roomId], after: this.#after, limit })
    const draft = new RoomDraft(this.#next, this.#context)
    await draft.events.load(rows.map(({ value }) => value))
    for (const { value: eventId } of rows) await judgeAgain(draft, eventId)
    const last = rows.at(-1)
    if (last !== undefined) this.#after = last.key
    if (rows.length === limit) {
      await commitDraft(this.#context, draft.withoutRoom())
      return undefined
    }
    draft.changeOver(this.#room.row.depth)
    const position = await commitDraft(this.#context, draft, () => this.#context.rooms.show(this.#next))
    this.#context.completions.tell(roomId)
    await this.#forgetJudged()
    return { kind: 'completed', position }
  }

  async #judgeJoin(join: StoredEvent, state: StateEvents): Promise<void> {
    const draft = new RoomDraft(this.#next, this.#context)
    const stateBefore = await draft.beginWith(idsOfState(state))
    await draft.replay({ ...join, stateBefore })
    await commitDraft(this.#context, draft.withoutRoom())
  }

  /** Rows that nothing reads any more. */
  async #forgetJudged(): Promise<void> {
    const { storage } = this.#context.ports
    const limit = limits.implementation.judgedAgainPerCommitMax
    for (let more = true; more;) {
      const rows = await storage.range(roomsTables.judgedPartially, { prefix: [this.#room.roomId], before: this.#afterLast(), limit })
      await storage.commit(rows.map(({ key }) => ({ kind: 'delete', table: roomsTables.judgedPartially.name, key })))
      more = rows.length === limit
    }
  }

  #afterLast(): readonly [RoomId, number] {
    return [this.#after[0], this.#after[1] + 1]
  }
}

async function authEventsOf(context: RoomsContext, room: Room, event: StoredEvent): Promise<Map<EventId, StoredEvent>> {
  const draft = new RoomDraft(room, context)
  const { createEvent } = await draft.authContext()
  const ids = new Set<EventId>(authEventIdsOf(event.pdu))
  if (createEvent !== undefined) ids.add(createEvent.eventId)
  const found = (await draft.eventsOf([...ids])).filter((each) => each !== undefined)
  return new Map(found.map((each) => [each.eventId, each]))
}

/**
 * Gives an event the states that it has in the whole room, and the place that these leave it. What is no longer authorised stops being
 * shown; what only fails in the state of its arrival stays in the graph, as if it had just come.
 */
async function judgeAgain(draft: RoomDraft, eventId: EventId): Promise<void> {
  const event = await draft.event(eventId)
  if (event?.stateBefore === undefined || event.status === 'outlier') return
  const stateBefore = await stateBeforeAgain(draft, event, event.stateBefore)
  const again: EventWithState = { ...event, stateBefore }
  const rules = await RulesFor.event(draft, again)
  const byAuthEvents = rules.byAuthEvents()
  const byState = byAuthEvents.kind === 'denied' ? byAuthEvents : await rules.byState(stateBefore)
  if (byState.kind === 'denied') {
    if (event.status === 'accepted') draft.leave(event)
    draft.putAside({ ...again, status: 'rejected', rejectedBecause: byState.rule, stateAfter: stateBefore })
    return
  }
  const stateAfter = await draft.stateAfter(again, stateBefore)
  if (event.status !== 'accepted') {
    // Nobody was shown it, and whoever builds upon it finds its state.
    draft.putAside({ ...again, status: 'soft-failed', stateAfter })
    draft.doubts.begin(eventId)
    return
  }
  const byCurrent = event.position === undefined ? byState : await rules.byState(draft.currentState)
  if (byCurrent.kind === 'denied') {
    draft.leave(event)
    draft.putAside({ ...again, status: 'soft-failed', rejectedBecause: byCurrent.rule, stateAfter })
    draft.doubts.begin(eventId)
    return
  }
  await draft.replay(again)
}

/** An event that came with the state before it keeps that. */
async function stateBeforeAgain(draft: RoomDraft, event: StoredEvent, stateBefore: StateRoot): Promise<StateRoot> {
  const prevEvents = await draft.eventsOf(prevEventIdsOf(event.pdu))
  const roots = prevEvents.map((prev) => prev?.stateAfter)
  if (event.afterGap === true || roots.length === 0 || roots.includes(undefined)) return stateBefore
  return draft.merge(roots.filter((root) => root !== undefined))
}
