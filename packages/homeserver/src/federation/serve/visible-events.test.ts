import { type EventId, type JsonObject, type RoomId, roomVersion, type ServerName } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../rooms/index.ts'
import { SimulatedServer, never } from '../simulated-server.test-support.ts'
import { visibleEvents } from '../visible-events.ts'

const version = roomVersion('12')
const visibilities = ['world_readable', 'shared', 'invited', 'joined', 'nonsense'] as const
const memberships = ['invite', 'join', 'leave'] as const
type Step =
  | { readonly kind: 'visibility'; readonly to: (typeof visibilities)[number] }
  | { readonly kind: 'member'; readonly to: (typeof memberships)[number] }
  | { readonly kind: 'say' }

/** A room whose history is made by the steps; membership events of another server are put there as if they had come from it. */
async function history(steps: readonly Step[]) {
  const world = new SimulatedWorld(2)
  const alice = await new SimulatedServer(world, 'alice', []).start()
  const bob = await new SimulatedServer(world, 'bob', []).start()
  const roomId = await alice.createRoom()
  await send(alice, roomId, 'm.room.join_rules', '', { join_rule: 'public' })
  const expected: boolean[] = []
  let visibility = 'shared'
  let membership: string | undefined
  for (const step of steps) {
    if (step.kind === 'visibility') {
      visibility = step.to
      await send(alice, roomId, 'm.room.history_visibility', '', { history_visibility: step.to })
    } else if (step.kind === 'member') {
      if (step.to === 'join' && membership !== 'join') {
        await world.finish(bob.federation.joinRoom({ roomId, userId: bob.user, via: [alice.server], content: {} }, never))
        membership = 'join'
      } else if (step.to === 'invite' && membership !== 'join' && membership !== 'invite') {
        await send(alice, roomId, 'm.room.member', bob.user, { membership: 'invite' })
        membership = 'invite'
      } else if (step.to === 'leave' && membership !== undefined && membership !== 'leave') {
        await send(alice, roomId, 'm.room.member', bob.user, { membership: 'leave' })
        membership = 'leave'
      }
      await world.run(5_000)
    } else {
      await alice.send(roomId, 'said')
      const isIn = membership === 'join' || (visibility === 'invited' && membership === 'invite')
      expected.push(visibility === 'joined' || visibility === 'invited' ? isIn : true)
    }
  }
  const { events } = await alice.rooms.timelineSince(roomId, 0, 1_000)
  return { alice, bob, events, expected }
}

async function send(server: SimulatedServer, roomId: RoomId, type: string, stateKey: string, content: JsonObject): Promise<void> {
  const outcome = await server.rooms.send({ roomId, sender: server.user, type, stateKey, content }, never)
  if (outcome.kind !== 'sent') throw new Error(`${type}: ${JSON.stringify(outcome)}`)
}

async function seenBy(server: SimulatedServer, reader: ServerName, events: readonly StoredEvent[]): Promise<JsonObject[]> {
  if (version === undefined) throw new Error('Version 12 is not known')
  return visibleEvents({ rooms: server.rooms }, reader, version, events)
}

/** What Bob's server, whose user was away meanwhile, is given of redactions of a message from before. */
async function redactionsWhileAway(versionId: string) {
  const world = new SimulatedWorld(4)
  const alice = await new SimulatedServer(world, 'alice', []).start()
  const bob = await new SimulatedServer(world, 'bob', []).start()
  const created = await alice.rooms.create(
    {
      creator: alice.user,
      version: versionId,
      createContent: {},
      events: [
        { type: 'm.room.member', stateKey: alice.user, content: { membership: 'join' } },
        { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
        { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } },
      ],
    },
    never,
  )
  if (created.kind !== 'created') throw new Error(created.kind)
  const { roomId } = created
  const redact = async (redacts: string) => {
    const event = { roomId, sender: alice.user, type: 'm.room.redaction', content: { reason: 'why' }, redacts: redacts as EventId }
    const outcome = await alice.rooms.send(event, never)
    if (outcome.kind !== 'sent') throw new Error(outcome.kind)
  }
  await world.finish(bob.federation.joinRoom({ roomId, userId: bob.user, via: [alice.server], content: {} }, never))
  await world.run(5_000)
  const seen = await alice.send(roomId, 'bob has read this')
  await send(alice, roomId, 'm.room.member', bob.user, { membership: 'leave' })
  const unseen = await alice.send(roomId, 'bob has not')
  await redact(seen)
  await redact(unseen)
  const { events } = await alice.rooms.timelineSince(roomId, 0, 1_000)
  const given = await visibleEvents({ rooms: alice.rooms }, bob.server, roomVersion(versionId)!, events)
  const [first, second] = given.filter(({ type }) => type === 'm.room.redaction')
  return { seen, unseen, first, second }
}

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ kind: 'say' }),
  fc.constantFrom(...visibilities).map((to): Step => ({ kind: 'visibility', to })),
  fc.constantFrom(...memberships).map((to): Step => ({ kind: 'member', to })),
)

describe('what another server is given of the history', () => {
  test('is what one of its users may see; the rest is redacted; state is whole', async () => {
    let hidden = 0
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 4, maxLength: 12 }), async (steps) => {
        const { alice, bob, events, expected } = await history([...steps, { kind: 'say' }])
        const given = await seenBy(alice, bob.server, events)
        expect(given).toHaveLength(events.length)
        const said = given.filter(({ type }) => type === 'm.room.message').map(({ content }) => 'body' in (content as JsonObject))
        expect(said).toEqual(expected)
        hidden += expected.filter((isSeen) => !isSeen).length
        const state = (all: readonly { readonly [name: string]: unknown }[]) => all.filter((event) => event['state_key'] !== undefined)
        expect(state(given).map(({ content }) => content)).toEqual(
          state(events.map(({ pdu }) => ({ ...pdu }))).map(({ content }) => content),
        )
        // A redacted event is the same event: its own hashes and signatures go with it.
        for (const [index, event] of given.entries()) expect(event['hashes']).toEqual(events[index]?.pdu.hashes)
      }),
      { numRuns: 40 },
    )
    expect(hidden).toBeGreaterThan(0)
  })

  test('is whole where it would not say any more which message, that its users have read, it redacts', async () => {
    const before = await redactionsWhileAway('10')
    expect(before.first).toMatchObject({ redacts: before.seen, content: { reason: 'why' } })
    expect(before.second).toMatchObject({ content: {} })
    expect(before.second).not.toHaveProperty('redacts')
    // Since version 11 the redacted form says it.
    const since = await redactionsWhileAway('11')
    expect(since.first?.['content']).toEqual({ redacts: since.seen })
    expect(since.second?.['content']).toEqual({ redacts: since.unseen })
  })

  test('its own events are its own', async () => {
    const { alice, events } = await history([{ kind: 'visibility', to: 'joined' }, { kind: 'say' }])
    const given = await seenBy(alice, alice.server, events)
    expect(given.at(-1)?.['content']).toMatchObject({ body: 'said' })
  })

  test('looks up a few entries of the state, and never the whole', async () => {
    const { alice, bob, events } = await history([
      { kind: 'visibility', to: 'joined' },
      { kind: 'member', to: 'join' },
      ...Array.from({ length: 10 }, (): Step => ({ kind: 'say' })),
    ])
    const wholeState = alice.rooms.stateBefore.bind(alice.rooms)
    let loaded = 0
    alice.rooms.stateBefore = async (eventId) => {
      loaded++
      return wholeState(eventId)
    }
    const given = await seenBy(alice, bob.server, events)
    expect(given.at(-1)?.['content']).toMatchObject({ body: 'said' })
    expect(loaded).toBe(0)
  })
})
