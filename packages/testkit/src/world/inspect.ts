import type { Pdu } from '@kith/matrix-protocol'
import type { Table } from '@kith/homeserver/ports'
import type { WorldRelay, WorldServer } from './world-node.ts'

/** What the invariants read of an event as stored. */
export interface InspectedEvent {
  readonly eventId: string
  readonly roomId: string
  readonly status: 'accepted' | 'soft-failed' | 'rejected' | 'outlier'
  readonly rejectedBecause?: string
  readonly redactedBy?: string
  readonly pdu: Pdu
  /** What the auth rules read of a redacted event. */
  readonly forAuth?: Pdu
}

// The tables by name, because they are no part of what the homeserver exports; a row of another shape fails every run.
const rooms = { name: 'rooms.rooms' } as Table<readonly [string], { readonly extremities: readonly string[] }>
const events = { name: 'rooms.events' } as Table<readonly [string], InspectedEvent>
const outbox = { name: 'timeline.outbox' } as Table<readonly [string, number], object>
const staged = { name: 'federation.staged' } as Table<readonly [string, string], object>
const mail = { name: 'mailbox.entries' } as Table<readonly [string, number], object>

const ROWS_MAX = 100_000

/** Forward extremities by room. */
export async function extremitiesOf(server: WorldServer): Promise<Map<string, readonly string[]>> {
  const rows = await server.storage.range(rooms, { limit: ROWS_MAX })
  return new Map(rows.map(({ key, value }) => [key[0], value.extremities.toSorted()]))
}

/** Whether any of the events is not stored there. */
export async function lacksAny(server: WorldServer, eventIds: readonly string[]): Promise<boolean> {
  const found = await server.storage.getMany(
    events,
    eventIds.map((eventId) => [eventId] as const),
  )
  return found.includes(undefined)
}

export async function eventsOf(server: WorldServer): Promise<Map<string, InspectedEvent>> {
  const rows = await server.storage.range(events, { limit: ROWS_MAX })
  return new Map(rows.map(({ key, value }) => [key[0], value]))
}

/** What waits to be delivered, and what waits for its predecessors. */
export async function backlogOf(server: WorldServer): Promise<{ readonly outbox: number; readonly staged: number }> {
  const [waiting, incomplete] = await Promise.all([
    server.storage.range(outbox, { limit: ROWS_MAX }),
    server.storage.range(staged, { limit: ROWS_MAX }),
  ])
  return { outbox: waiting.length, staged: incomplete.length }
}

export async function mailAt(relay: WorldRelay): Promise<number> {
  return (await relay.storage.range(mail, { limit: ROWS_MAX })).length
}

export function prevIdsOf(event: InspectedEvent): string[] {
  return event.pdu.prev_events.map((named) => (typeof named === 'string' ? named : named[0]))
}
