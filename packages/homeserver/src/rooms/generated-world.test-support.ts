import { type EventId, type Pdu, type RoomId } from '@kith/matrix-protocol'
import type { SeededRandom } from '@kith/testkit/seeded-random'
import fc from 'fast-check'
import { joinRemotely, RoomServer, signal } from './room-servers.test-support.ts'

/** What happens in a generated history: somebody does something, or two servers exchange what they have. */
export interface Step {
  readonly actor: number
  readonly kind:
    | 'say'
    | 'topic'
    | 'kick'
    | 'ban'
    | 'unban'
    | 'invite'
    | 'join'
    | 'leave'
    | 'promote'
    | 'demote'
    | 'join-rules'
    | 'redact'
    | 'exchange'
  readonly target: number
}

export const step: fc.Arbitrary<Step> = fc.record({
  actor: fc.nat({ max: 3 }),
  kind: fc.constantFrom(
    'say' as const,
    'topic' as const,
    'topic' as const,
    'kick' as const,
    'ban' as const,
    'unban' as const,
    'invite' as const,
    'join' as const,
    'join' as const,
    'leave' as const,
    'promote' as const,
    'demote' as const,
    'join-rules' as const,
    'redact' as const,
    'redact' as const,
    'exchange' as const,
  ),
  target: fc.nat({ max: 3 }),
})

export interface World {
  readonly servers: readonly RoomServer[]
  readonly users: readonly ReturnType<RoomServer['user']>[]
  readonly roomId: RoomId
  /** Every event that was made. */
  readonly events: Map<EventId, Pdu>
}

/** Alice and Anna on the first server, Bob and Carol on servers of their own, all in one room. */
export async function openWorld(version: string): Promise<World> {
  const [a, b, c] = [await RoomServer.open(1), await RoomServer.open(2), await RoomServer.open(3)]
  const users = [a.user('alice'), a.user('anna'), b.user('bob'), c.user('carol')]
  const creator = a.user('alice')
  const levels = { users: { [b.user('bob')]: 50, [a.user('anna')]: 50, ...(version === '12' ? {} : { [creator]: 100 }) } }
  const roomId = await a.createRoom(creator, { version, powerLevels: levels })
  await a.setMembership(roomId, a.user('anna'), a.user('anna'), 'join')
  await joinRemotely(b, b.user('bob'), a, roomId)
  const joined = await joinRemotely(c, c.user('carol'), a, roomId)
  await b.rooms.receive(roomId, (await a.stored(joined)).pdu, signal)
  return { servers: [a, b, c], users, roomId, events: new Map() }
}

function serverOf(world: World, user: number): RoomServer {
  const server = world.servers[[0, 0, 1, 2][user] ?? 0]
  if (server === undefined) throw new Error('no such server')
  return server
}

export async function take(world: World, { actor, kind, target }: Step, index: number): Promise<void> {
  const server = serverOf(world, actor)
  const [sender, other] = [world.users[actor]!, world.users[target]!]
  for (const each of world.servers) await each.clock.advance(1000)
  if (kind === 'exchange') return exchange(world, server, serverOf(world, target))
  const outcome = await server.rooms.send({ roomId: world.roomId, sender, ...eventFor(world, server, kind, sender, other, index) }, signal)
  if (outcome.kind === 'sent') world.events.set(outcome.eventId, (await server.stored(outcome.eventId)).pdu)
}

function levelsOf(server: RoomServer, world: World) {
  const levels = server.rooms.state(world.roomId)?.get('m.room.power_levels', '')
  if (levels === undefined) throw new Error('the room has no power levels')
  return levels
}

const member = (stateKey: string, membership: string) => ({ type: 'm.room.member', stateKey, content: { membership } })

function eventFor(world: World, server: RoomServer, kind: Exclude<Step['kind'], 'exchange'>, sender: string, other: string, index: number) {
  switch (kind) {
    case 'say':
      return { type: 'm.room.message', content: { body: `${index}` } }
    case 'topic':
      return { type: 'm.room.topic', stateKey: '', content: { topic: `${index}` } }
    case 'kick':
    case 'unban':
      return member(other, 'leave')
    case 'ban':
      return member(other, 'ban')
    case 'invite':
      return member(other, 'invite')
    case 'join':
      return member(sender, 'join')
    case 'leave':
      return member(sender, 'leave')
    case 'join-rules':
      return { type: 'm.room.join_rules', stateKey: '', content: { join_rule: index % 2 === 0 ? 'invite' : 'public' } }
    case 'redact': {
      const known = [...world.events.keys()]
      return { type: 'm.room.redaction', content: {}, redacts: known[(index * 7) % known.length] ?? levelsOf(server, world).eventId }
    }
    case 'promote':
    case 'demote': {
      const content = levelsOf(server, world).pdu.content
      const users = { ...(content['users'] as Record<string, number>), [other]: kind === 'promote' ? 50 : 0 }
      return { type: 'm.room.power_levels', stateKey: '', content: { ...content, users } }
    }
  }
}

async function exchange(world: World, a: RoomServer, b: RoomServer): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const pdus: Pdu[] = []
    for (const [eventId, pdu] of world.events) if ((await from.rooms.event(eventId)) !== undefined) pdus.push(pdu)
    await to.rooms.receiveMany(world.roomId, pdus, signal)
  }
}

/** Gives a server all events in a random order, again and again until each has found its predecessors. */
export async function deliverShuffled(world: World, server: RoomServer, random: SeededRandom): Promise<void> {
  let waiting = [...world.events.values()]
  for (let round = 0; waiting.length > 0; round++) {
    if (round > world.events.size) throw new Error('events never find their predecessors')
    const shuffled = waiting.map((pdu) => ({ pdu, order: random.integer(2 ** 30) })).sort((x, y) => x.order - y.order)
    const pdus = shuffled.map(({ pdu }) => pdu)
    const size = 1 + random.integer(pdus.length)
    waiting = []
    for (let start = 0; start < pdus.length; start += size) {
      const group = pdus.slice(start, start + size)
      const outcomes = [...(await server.rooms.receiveMany(world.roomId, group, signal)).values()]
      waiting.push(...group.filter((_, index) => outcomes[index]?.kind === 'missing'))
    }
  }
}

/** Everybody who may says something that follows on all they know, and all hear it: branches end. */
export async function settle(world: World, random: SeededRandom): Promise<void> {
  for (const user of [0, 1, 2, 3, 0]) {
    await take(world, { actor: user, kind: 'say', target: 0 }, -user)
    for (const server of world.servers) await deliverShuffled(world, server, random)
  }
}
