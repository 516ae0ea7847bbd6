import { canonicalJson } from '@kith/matrix-protocol'
import { backlogOf, eventsOf, extremitiesOf, type InspectedEvent, mailAt } from './inspect.ts'
import type { Json } from './json.ts'
import { RoomGraph, saysWhatItRedacts } from './room-graph.ts'
import { RoomStates } from './room-states.ts'
import type { AcknowledgedEvent, World } from './world.ts'
import type { WorldServer } from './world-node.ts'
import type { WorldUser } from './world-user.ts'

type Stored = ReadonlyMap<WorldServer, ReadonlyMap<string, InspectedEvent>>

interface RoomView {
  readonly name: string
  readonly roomId: string
  /** Users who are joined as their own server sees it. */
  readonly members: readonly WorldUser[]
  readonly servers: readonly WorldServer[]
  readonly graph: RoomGraph
  /**
   * Whether one of the two takes no part in the other's room: its last join was soft-failed there, justly, as `soft-failed` sees to. State resolution lets
   * some stay whose ground is gone, and soft failure keeps them apart from those who knew of that first: nothing brings the two together.
   */
  readonly areApart: (one: WorldUser, other: WorldUser) => boolean
}

/**
 * What must hold when the world is whole again and quiet. Each sentence names the invariant first.
 * `stored-state`, `history`, `extremities`: members' servers are equal. `outbox`, `mailbox`, `staged`: nothing waits.
 * `sync`: nothing lost, nothing doubled. `redaction`: what was redacted is gone. `rejected`: honest servers' events are taken.
 */
export async function findViolations(world: World): Promise<string[]> {
  const stored: Stored = new Map(
    await Promise.all([...world.servers.values()].map(async (server) => [server, await eventsOf(server)] as const)),
  )
  const rooms = await readRooms(world, stored)
  const found: string[] = [...(await waiting(world)), ...unwanted(world, stored)]
  for (const room of rooms) {
    found.push(...(await unequalState(room)), ...(await unequalExtremities(room, stored)), ...unjustSoftFailures(room, stored))
    found.push(...mistakenClients(world, room))
    const histories = await readHistories(world, room)
    found.push(...unequalHistories(world, room, histories, stored), ...(await syncFaults(world, room, stored)))
    found.push(...unredacted(world, room, histories, stored))
  }
  return found
}

async function waiting(world: World): Promise<string[]> {
  const found: string[] = []
  for (const server of world.servers.values()) {
    const { outbox, staged } = await backlogOf(server)
    if (outbox > 0) found.push(`outbox: ${server.name} still has ${outbox} rows`)
    if (staged > 0) found.push(`staged: ${server.name} still has ${staged} events`)
  }
  for (const relay of world.relays.values()) {
    const mail = await mailAt(relay)
    if (mail > 0) found.push(`mailbox: ${relay.name} still has ${mail} entries`)
  }
  for (const user of world.users.values()) if (!user.isIdle) found.push(`client: a request of ${user.name} never ended`)
  return found
}

function unwanted(world: World, stored: Stored): string[] {
  const found: string[] = []
  for (const [server, events] of stored) {
    for (const event of events.values()) {
      const { eventId, status, rejectedBecause, pdu } = event
      // In the first versions the rules look at what it redacts: https://spec.matrix.org/latest/rooms/v1/#authorization-rules rule 11.
      if (status === 'rejected' && saysWhatItRedacts(event))
        found.push(`rejected: ${server.name} rejected ${pdu.type} ${eventId}: ${rejectedBecause ?? ''}`)
    }
  }
  for (const { user, problems } of world.clients.values()) for (const problem of problems) found.push(`sync: ${user.name}: ${problem}`)
  return found
}

async function readRooms(world: World, stored: Stored): Promise<RoomView[]> {
  const joined = new Map<WorldUser, ReadonlySet<string>>()
  for (const user of world.users.values()) joined.set(user, new Set((await user.ok('GET', '/joined_rooms')).joined_rooms))
  return [...world.rooms].map(([name, roomId]) => {
    const members = [...world.users.values()].filter((user) => joined.get(user)?.has(roomId) === true)
    const servers = [...new Set(members.map((user) => user.server))]
    const events = servers.flatMap((server) => [...(stored.get(server)?.values() ?? [])]).filter((event) => event.roomId === roomId)
    const graph = new RoomGraph(events)
    const refuses = (server: WorldServer, { userId }: WorldUser): boolean =>
      refusesAll(latest(graph, joinsAt(stored, graph, server, userId)))
    const areApart = (one: WorldUser, other: WorldUser): boolean => refuses(one.server, other) || refuses(other.server, one)
    return { name, roomId, members, servers, graph, areApart }
  })
}

function joinsAt(stored: Stored, graph: RoomGraph, server: WorldServer, userId: string): InspectedEvent[] {
  const joins = graph.memberships(userId).filter(({ pdu }) => pdu.content['membership'] === 'join')
  return joins.flatMap(({ eventId }) => stored.get(server)?.get(eventId) ?? [])
}

/** Those that no other follows: who came back takes part in the room by the last of the joins. */
function latest(graph: RoomGraph, joins: readonly InspectedEvent[]): InspectedEvent[] {
  return joins.filter(({ eventId }) => !joins.some((other) => graph.ancestorsOf(other.eventId).has(eventId)))
}

function refusesAll(joins: readonly InspectedEvent[]): boolean {
  const statuses = joins.map(({ status }) => status)
  return statuses.includes('soft-failed') && !statuses.includes('accepted')
}

/** Equal as clients are told it: a member's server answers event ids of the whole state. */
async function unequalState({ name, roomId, members, areApart }: RoomView): Promise<string[]> {
  const found: string[] = []
  const seen: { readonly user: WorldUser; readonly state: ReadonlyMap<string, string> }[] = []
  for (const user of members) {
    const events: Json[] = await user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
    const state = new Map<string, string>()
    for (const event of events) state.set(`${event.type} ${event.state_key}`, `${event.event_id} ${canonicalJson(event.content)}`)
    seen.push({ user, state })
    const { user: other, state: expected } = seen.find((candidate) => !areApart(user, candidate.user)) ?? { user, state }
    for (const key of new Set([...state.keys(), ...expected.keys()])) {
      if (state.get(key) === expected.get(key)) continue
      found.push(
        `state: ${name}: ${key} is ${state.get(key) ?? 'absent'} at ${user.name}, ${expected.get(key) ?? 'absent'} at ${other.name}`,
      )
    }
  }
  return found
}

/** But for ends that some soft-failed: those go on beside the others until somebody speaks whom all allow. */
async function unequalExtremities({ name, roomId, members, areApart }: RoomView, stored: Stored): Promise<string[]> {
  const servers = [...new Set(members.filter((member) => !members.some((other) => areApart(member, other))).map(({ server }) => server))]
  const ends = await Promise.all(
    servers.map(async (server) => {
      const own = (await extremitiesOf(server)).get(roomId) ?? ['none']
      return own.filter((eventId) => !isDisputed(stored, eventId)).join(' ')
    }),
  )
  const different = servers.filter((_, index) => ends[index] !== ends[0])
  return different.map((server) => `extremities: ${name}: ${server.name} and ${servers[0]?.name ?? ''} differ: ${ends.join(' | ')}`)
}

/** An event of an honest user is soft-failed only where something that the server knew took their right: beside it, or for want of what it refused before. */
function unjustSoftFailures({ name, roomId, servers, graph }: RoomView, stored: Stored): string[] {
  const found: string[] = []
  // Who came back last may have left all that was before to those who are gone.
  const everywhere = [...stored.values()].flatMap((events) => [...events.values()]).filter((event) => event.roomId === roomId)
  const states = new RoomStates(roomId, new RoomGraph(everywhere))
  for (const server of servers) {
    const events = [...(stored.get(server)?.values() ?? [])].filter((event) => event.roomId === roomId && event.status !== 'outlier')
    const isRefused = (eventId: string): boolean => stored.get(server)?.get(eventId)?.status === 'soft-failed'
    for (const event of events) {
      if (event.status !== 'soft-failed' || states.isJustlyRefused(event, events, isRefused)) continue
      if (isBehindGap(graph, events, event.eventId)) continue
      // It stands upon a join that was refused: whether that was just is asked of the join.
      const { sender, state_key: stateKey, content } = event.pdu
      const isJoin = stateKey === sender && content['membership'] === 'join'
      if (!isJoin && refusesAll(joinsAt(stored, graph, server, sender))) continue
      found.push(
        `soft-failed: ${name}: ${server.name} soft-failed ${graph.describe(event.eventId)} ${event.eventId}: ${event.rejectedBecause ?? ''}`,
      )
    }
  }
  return found
}

/** Whether the server cannot know yet that what it took for new was before something that it accepted: it lacks what lies between the two. */
function isBehindGap(graph: RoomGraph, held: readonly InspectedEvent[], eventId: string): boolean {
  const heldIds = new Set(held.map((event) => event.eventId))
  return held.some((later) => {
    if (later.status !== 'accepted' || !graph.ancestorsOf(later.eventId).has(eventId)) return false
    return graph
      .ancestorsOf(later.eventId)
      .values()
      .some((between) => !heldIds.has(between) && graph.ancestorsOf(between).has(eventId))
  })
}

/** All that each member's client gets by paging back from the end, oldest first. */
async function readHistories(world: World, { roomId, members }: RoomView): Promise<Map<WorldUser, Json[]>> {
  const histories = new Map<WorldUser, Json[]>()
  for (const user of members) histories.set(user, (await pageBack(world, user, roomId)).reverse())
  return histories
}

/** Newest first. `token`: the end of the room unless told. */
async function pageBack(world: World, user: WorldUser, roomId: string, token?: string): Promise<Json[]> {
  const events: Json[] = []
  let from = token
  do {
    const query = new URLSearchParams({ dir: 'b', limit: '100', ...(from === undefined ? {} : { from }) })
    const page = await world.simulated.finish(user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?${query}`))
    events.push(...page.chunk)
    from = page.end
  } while (from !== undefined)
  return events
}

/** Whether an event was soft-failed anywhere: where it was not, it is shown, and both are right. */
function isDisputed(stored: Stored, eventId: string): boolean {
  return [...stored.values()].some((events) => events.get(eventId)?.status === 'soft-failed')
}

/** Since their only join, and what was before when it is shared, and somebody who was there still is and can be reached. */
function mustSee(world: World, { graph, members }: RoomView, user: WorldUser, eventId: string): boolean {
  if (graph.wasAlwaysJoinedSince(user.userId, eventId)) return true
  if (!graph.isShared || world.simulated.network.hidesAnybody) return false
  return members.some((member) => graph.wasAlwaysJoinedSince(member.userId, eventId))
}

/** A redaction that takes nothing back of what the user may see. A server that was never shown the target cannot know that it takes effect. */
function isOfNoConcern(
  world: World,
  room: RoomView,
  stored: Stored,
  seen: { readonly user: WorldUser; readonly eventId: string },
): boolean {
  const target = room.graph.targetOf(seen.eventId)
  return target !== undefined && (isDisputed(stored, target) || !mustSee(world, room, seen.user, target))
}

function isRedactedByDispute(stored: Stored, eventId: string): boolean {
  return [...stored.values()].some((events) => isDisputed(stored, events.get(eventId)?.redactedBy ?? ''))
}

function unequalHistories(world: World, room: RoomView, histories: ReadonlyMap<WorldUser, readonly Json[]>, stored: Stored): string[] {
  const found: string[] = []
  const shown = new Map([...histories].map(([user, events]) => [user, events.map((event: Json): string => event.event_id)] as const))
  for (const [user, ids] of shown) {
    const everything = new Set([...shown].flatMap(([other, told]) => (room.areApart(user, other) ? [] : told)))
    const own = new Set(ids)
    if (own.size < ids.length) found.push(`history: ${room.name}: ${user.name} is shown an event twice`)
    for (const eventId of everything) {
      if (own.has(eventId) || isDisputed(stored, eventId) || !mustSee(world, room, user, eventId)) continue
      if (isOfNoConcern(world, room, stored, { user, eventId })) continue
      found.push(`history: ${room.name}: ${user.name} lacks ${eventId} (${room.graph.describe(eventId)})`)
    }
  }
  return [...found, ...misordered(room, shown), ...unequalContents(world, room, histories, stored)]
}

/** Also of what was redacted: gone for all or for nobody. */
function unequalContents(world: World, room: RoomView, histories: ReadonlyMap<WorldUser, readonly Json[]>, stored: Stored): string[] {
  const contents = new Map<string, string>()
  const different = new Set<string>()
  for (const [user, events] of histories) {
    for (const { event_id: eventId, content } of events) {
      // What was before a member, other servers tell theirs only in its redacted form.
      if (!mustSee(world, room, user, eventId) || isRedactedByDispute(stored, eventId)) continue
      const text = canonicalJson(content)
      if ((contents.get(eventId) ?? text) !== text) different.add(eventId)
      contents.set(eventId, text)
    }
  }
  return [...different].map((eventId) => `content: ${room.name}: members read different contents of ${room.graph.describe(eventId)}`)
}

/** Any two members see what both see in one order. */
function misordered(room: RoomView, shown: ReadonlyMap<WorldUser, readonly string[]>): string[] {
  const found: string[] = []
  const [first, ...others] = shown
  if (first === undefined) return found
  const [reference, order] = first
  const places = new Map(order.map((eventId, index) => [eventId, index]))
  for (const [user, ids] of others) {
    const common = ids.filter((eventId) => places.has(eventId))
    const wrong = common.findIndex((eventId, index) => index > 0 && (places.get(common[index - 1] ?? '') ?? 0) > (places.get(eventId) ?? 0))
    if (wrong === -1) continue
    const [one, other] = [common[wrong - 1] ?? '', common[wrong] ?? '']
    const described = `${room.graph.describe(one)} and ${room.graph.describe(other)}`
    found.push(`order: ${room.name}: ${user.name} and ${reference.name} see ${described} in different orders`)
  }
  return found
}

/** A client knows who is in a room by what it was told. */
function mistakenClients(world: World, { name, roomId, members }: RoomView): string[] {
  const clients = [...world.clients.values()]
  const mistaken = clients.filter(({ user, inside }) => inside.has(roomId) !== members.includes(user))
  return mistaken.map(({ user, inside }) => `sync: ${name}: ${user.name} was told to be ${inside.has(roomId) ? 'inside' : 'outside'}`)
}

/** Who was joined before an event and has never been out since must have been told of it, once, or be able to page back to it. */
async function syncFaults(world: World, { name, roomId, members, graph, areApart }: RoomView, stored: Stored): Promise<string[]> {
  const found: string[] = []
  for (const user of members) {
    const client = world.clients.get(user.name)
    const once = new Set(client?.timelines.get(roomId))
    // Whoever comes back is told the latest of the room from scratch.
    for (const eventId of graph.cameBack(user.userId) ? [] : (client?.doubled.get(roomId) ?? [])) {
      found.push(`sync: ${name}: ${user.name} was told more than once of ${graph.describe(eventId)}`)
    }
    // Where a timeline begins anew, the server says that there is more before it, and a client pages for that. Among other things a server
    // may learn of its user's join by that of another, with events in between.
    const beginning = client?.beginnings.get(roomId)
    const earlier = beginning === undefined ? [] : await pageBack(world, user, roomId, beginning)
    const paged = new Set(earlier.map((event: Json): string => event.event_id))
    for (const event of world.acknowledged) {
      const { eventId, room } = event
      if (
        room !== name ||
        once.has(eventId) ||
        paged.has(eventId) ||
        !mustBeTold(world, event, once) ||
        areApart(user, world.user(event.user)) ||
        stored.get(user.server)?.get(eventId)?.status === 'soft-failed'
      )
        continue
      if (graph.wasAlwaysJoinedSince(user.userId, eventId))
        found.push(`sync: ${name}: ${user.name} was never told of ${graph.describe(eventId)} ${eventId}`)
    }
  }
  return found
}

/** Redactions that do nothing, for lack of the right to them or of anything that the client was told of, are kept from clients. */
function mustBeTold(world: World, event: AcknowledgedEvent, told: ReadonlySet<string>): boolean {
  const { target } = event
  if (target === undefined) return true
  return told.has(target) && world.acknowledged.find(({ eventId }) => eventId === target)?.user === event.user
}

function unredacted(world: World, room: RoomView, histories: ReadonlyMap<WorldUser, readonly Json[]>, stored: Stored): string[] {
  const found: string[] = []
  for (const { eventId, target, room: name, user } of world.acknowledged) {
    const redacted = world.acknowledged.find((event) => event.eventId === target)
    // Others' messages may be redacted by some only, which the comparison of histories covers.
    if (name !== room.name || target === undefined || redacted?.user !== user || !isAcceptedEverywhere(room, stored, eventId)) continue
    const text = redacted.text ?? ''
    for (const [reader, events] of histories) {
      const shown = events.some((event: Json) => event.event_id === target && 'body' in event.content)
      if (shown) found.push(`redaction: ${name}: ${reader.name} still reads ${target}`)
    }
    for (const server of room.servers) {
      const kept = stored.get(server)?.get(target)
      if (text !== '' && JSON.stringify(kept ?? {}).includes(text)) found.push(`redaction: ${name}: ${server.name} still stores ${target}`)
    }
  }
  return found
}

function isAcceptedEverywhere({ servers }: RoomView, stored: Stored, eventId: string): boolean {
  return servers.every((server) => stored.get(server)?.get(eventId)?.status === 'accepted')
}
