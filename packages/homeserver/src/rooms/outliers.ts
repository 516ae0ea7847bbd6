import {
  type AuthContext,
  type AuthEvent,
  authEventIdsOf,
  authoriseByAuthEvents,
  createEventIdOf,
  type EventId,
  type Pdu,
  type RoomId,
  type RoomVersion,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { WriteBatch } from '../ports/index.ts'
import { toAuthEvent } from './room.ts'
import type { RoomsContext } from './rooms-context.ts'
import type { StoredEvent } from './stored-event.ts'
import { roomsTables } from './tables.ts'
import { verifyPdus } from './verify-pdu.ts'

/**
 * Verifies events that come as state or as auth chains, and judges each by the events it cites. Those already stored keep their status.
 * Nothing is stored here. Events with wrong signatures are left out, and so are those that cite unknown events, which may come later.
 */
export async function judgeOutliers(
  context: RoomsContext,
  roomId: RoomId,
  version: RoomVersion,
  pdus: readonly Pdu[],
  signal: AbortSignal,
): Promise<Map<EventId, StoredEvent>> {
  const valid = new Map<EventId, Pdu>()
  for (const event of await verifyPdus(pdus, roomId, version, context.ports.crypto, signal)) {
    if (event.kind === 'valid') valid.set(event.eventId, event.pdu)
  }
  return judgeByCitations({ roomId, version, pdus: valid, load: async (ids) => context.store.getMany(ids) })
}

interface CitedJudging {
  readonly roomId: RoomId
  readonly version: RoomVersion
  /** With valid signatures. */
  readonly pdus: ReadonlyMap<EventId, Pdu>
  readonly load: (eventIds: readonly EventId[]) => Promise<(StoredEvent | undefined)[]>
}

/** Judges each event by the events it cites. The result holds what was known before, too; what cites unknown events is left out. */
export async function judgeByCitations({ roomId, version, pdus, load }: CitedJudging): Promise<Map<EventId, StoredEvent>> {
  const judged = await readKnown(roomId, version, pdus, load)
  for (const eventId of citedFirst(pdus)) {
    const pdu = pdus.get(eventId)
    if (pdu === undefined || judged.has(eventId)) continue
    const event = judgeOutlier({ eventId, roomId, pdu, status: 'outlier' }, judged, version)
    if (event !== undefined) judged.set(eventId, event)
  }
  return judged
}

/**
 * Writes those that are new, in several commits: nothing shows them until something refers to them. Each takes its turn in the room's
 * queue, because an event that arrives meanwhile must not lose its place to the outlier.
 */
export async function storeOutliers(
  context: RoomsContext,
  roomId: RoomId,
  events: Iterable<StoredEvent>,
  signal: AbortSignal,
): Promise<void> {
  const candidates = await withoutKnown(context, [...events])
  const { outliersPerCommitMax } = limits.implementation
  for (let start = 0; start < candidates.length; start += outliersPerCommitMax) {
    const group = candidates.slice(start, start + outliersPerCommitMax)
    await context.queues.runAlone(roomId, async () => writeOutliers(context, group), signal)
  }
}

async function writeOutliers(context: RoomsContext, events: readonly StoredEvent[]): Promise<void> {
  const fresh = await withoutKnown(context, events)
  const batch = new WriteBatch()
  for (const event of fresh) batch.put(roomsTables.events, [event.eventId], event)
  await context.ports.storage.commit(batch.writes)
  context.store.remember(fresh)
}

async function withoutKnown(context: RoomsContext, events: readonly StoredEvent[]): Promise<StoredEvent[]> {
  const known = await context.store.getMany(events.map((event) => event.eventId))
  return events.filter((_, index) => known[index] === undefined)
}

/** What is stored of these events and of those they cite. */
async function readKnown(
  roomId: RoomId,
  version: RoomVersion,
  pdus: ReadonlyMap<EventId, Pdu>,
  load: CitedJudging['load'],
): Promise<Map<EventId, StoredEvent>> {
  const ids = new Set<EventId>(pdus.keys())
  for (const pdu of pdus.values()) for (const eventId of authEventIdsOf(pdu)) ids.add(eventId)
  if (version.roomIdIsCreateEvent) ids.add(createEventIdOf(roomId))
  const known = await load([...ids])
  return new Map(
    known.filter((event) => event?.roomId === roomId).flatMap((event) => (event === undefined ? [] : [[event.eventId, event]])),
  )
}

function judgeOutlier(event: StoredEvent, judged: ReadonlyMap<EventId, StoredEvent>, version: RoomVersion): StoredEvent | undefined {
  const authEvents: AuthEvent[] = []
  for (const authId of authEventIdsOf(event.pdu)) {
    const authEvent = judged.get(authId)
    if (authEvent === undefined) return undefined
    authEvents.push(toAuthEvent(authEvent))
  }
  const outcome = authoriseByAuthEvents(toAuthEvent(event), authEvents, version, outlierContext(event.roomId, judged, version))
  return outcome.kind === 'allowed' ? event : { ...event, status: 'rejected', rejectedBecause: outcome.rule }
}

function outlierContext(roomId: RoomId, judged: ReadonlyMap<EventId, StoredEvent>, version: RoomVersion): AuthContext {
  const createEvent = version.roomIdIsCreateEvent ? judged.get(createEventIdOf(roomId)) : undefined
  return { createEvent: createEvent === undefined ? undefined : toAuthEvent(createEvent) }
}

/**
 * The ids in an order in which cited events come before those that cite them. Where ids are no hashes, in the oldest room versions,
 * events can cite each other in a circle: such events find one that is not judged yet, and are left out.
 */
function citedFirst(events: ReadonlyMap<EventId, Pdu>): EventId[] {
  const ordered: EventId[] = []
  const reached = new Set<EventId>()
  for (const start of createFirst(events)) {
    if (reached.has(start)) continue
    reached.add(start)
    const path = [{ eventId: start, cited: citedIn(events, start) }]
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const next = step.cited.pop()
      if (next === undefined) {
        path.pop()
        ordered.push(step.eventId)
      } else if (!reached.has(next)) {
        reached.add(next)
        path.push({ eventId: next, cited: citedIn(events, next) })
      }
    }
  }
  return ordered
}

function citedIn(events: ReadonlyMap<EventId, Pdu>, eventId: EventId): EventId[] {
  const pdu = events.get(eventId)
  return pdu === undefined ? [] : authEventIdsOf(pdu).filter((authId) => events.has(authId))
}

/** Where the room id stands for the create event nobody cites it, and yet everybody needs it. */
function createFirst(events: ReadonlyMap<EventId, Pdu>): EventId[] {
  const ids = [...events.keys()]
  const isCreate = (eventId: EventId): boolean => events.get(eventId)?.type === 'm.room.create'
  return [...ids.filter(isCreate), ...ids.filter((eventId) => !isCreate(eventId))]
}
