import {
  authEventIdsOf,
  type AuthEvent,
  createEventIdOf,
  type EventId,
  eventIdOf,
  resolveState,
  roomVersion,
  stateKeyOf,
  type UnhashedPdu,
} from '@kith/matrix-protocol'
import { SeededRandom } from '@kith/testkit/seeded-random'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliverShuffled, openWorld, step, take, type World } from './generated-world.test-support.ts'
import { resolveStates } from './resolve-states.ts'
import { toAuthEvent } from './room.ts'
import { RoomServer, signal } from './room-servers.test-support.ts'
import { DraftStates, StateStore } from './state-store.ts'
import { EMPTY_STATE, type StateRoot } from './state-trie.ts'

/** Everything that a server has of the room, by the events' ids. */
async function allEvents({ roomId, events }: World, server: RoomServer): Promise<Map<EventId, AuthEvent>> {
  const found = new Map<EventId, AuthEvent>()
  const state = [...(server.rooms.state(roomId)?.entries() ?? [])].map(({ eventId }) => eventId)
  const history = (await server.history(roomId)).map(({ eventId }) => eventId)
  let level: EventId[] = [...events.keys(), ...state, ...history, createEventIdOf(roomId)]
  while (level.length > 0) {
    const stored = (await server.rooms.events(level)).filter((event) => event !== undefined)
    for (const event of stored) found.set(event.eventId, toAuthEvent(event))
    level = [...new Set(stored.flatMap(({ pdu }) => authEventIdsOf(pdu)))].filter((eventId) => !found.has(eventId))
  }
  return found
}

/** States of the room at different events, whether or not they ever met. */
async function allRoots({ events }: World, server: RoomServer): Promise<StateRoot[]> {
  const stored = await server.rooms.events([...events.keys()])
  return [...new Set(stored.flatMap((event) => event?.stateAfter ?? []))]
}

test.each(['12', '11', '10', '2', '1'])(
  'resolving what differs gives what resolving whole states gives, for any states of a room (room version %s)',
  { timeout: 120_000 },
  async (id) => {
    const version = roomVersion(id)!
    let conflicts = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 40 }), fc.nat(), async (steps, seed) => {
        const world = await openWorld(id)
        for (const [index, each] of steps.entries()) await take(world, each, index)
        const [server] = world.servers as readonly [RoomServer]
        await deliverShuffled(world, server, new SeededRandom(seed))
        const events = await allEvents(world, server)
        const roots = await allRoots(world, server)
        const load = async (ids: readonly EventId[]) => server.rooms.events(ids)
        const random = new SeededRandom(seed)
        for (let round = 0; round < 60 && roots.length > 1; round++) {
          const count = 2 + random.integer(2)
          const chosen = [...new Set(Array.from({ length: count }, () => roots[random.integer(roots.length)]!))]
          if (chosen.length < 2) continue
          const states = new DraftStates(new StateStore(server.storage).of(world.roomId))
          const whole = await Promise.all(chosen.map(async (root) => states.whole(root)))
          const expected = resolveState(version, whole, { event: (eventId) => events.get(eventId) })
          const resolved = await resolveStates(version, chosen, states, load)
          expect(await states.whole(resolved)).toEqual(expected)
          expect(await resolveStates(version, chosen.toReversed(), states, load)).toBe(resolved)
          conflicts++
        }
      }),
      { numRuns: 12 },
    )
    expect(conflicts).toBeGreaterThan(0)
  },
)

test('an event that an agreed entry builds upon is in no auth difference, though nothing that conflicts shows it', async () => {
  const server = await RoomServer.open(1)
  const [alice, carol, dave] = [server.user('alice'), server.user('carol'), server.user('dave')]
  const roomId = await server.createRoom(alice, {
    events: [{ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } }],
  })
  const version = server.rooms.version(roomId)!
  const template = await server.rooms.makeTemplate(
    { roomId, sender: alice, type: 'm.room.member', stateKey: carol, content: { membership: 'leave' } },
    signal,
  )
  if (template.kind !== 'template') throw new Error(template.kind)
  const kick = await server.sign(template.event as unknown as UnhashedPdu, version)
  const kickId = eventIdOf(kick, version)
  await server.setMembership(roomId, alice, carol, 'invite')
  const joined = await server.setMembership(roomId, carol, carol, 'join')
  const invited = await server.setMembership(roomId, carol, dave, 'invite')
  const known = new Map((await server.history(roomId)).map((event) => [event.eventId, event]))
  known.set(kickId, { eventId: kickId, roomId, pdu: kick, status: 'accepted' })

  const left = new Map(await new StateStore(server.storage).of(roomId).whole((await server.stored(invited)).stateAfter!))
  const right = new Map(left).set(stateKeyOf('m.room.member', carol), kickId)
  expect(left.get(stateKeyOf('m.room.member', carol))).toBe(joined)
  const states = new DraftStates(new StateStore(server.storage).of(roomId))
  const roots = [await states.change(EMPTY_STATE, left), await states.change(EMPTY_STATE, right)]
  const expected = resolveState(version, [left, right], {
    event: (eventId) => (known.has(eventId) ? toAuthEvent(known.get(eventId)!) : undefined),
  })
  // The invite lies behind dave's, which nobody disputes; were it applied again after the kick, carol would be back.
  expect(expected.get(stateKeyOf('m.room.member', carol))).toBe(kickId)
  const resolved = await resolveStates(version, roots, states, async (ids) => ids.map((eventId) => known.get(eventId)))
  expect(await states.whole(resolved)).toEqual(expected)
})
