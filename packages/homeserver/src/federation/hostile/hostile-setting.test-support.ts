import { type EventId, ownString, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { createRememberingCrypto } from '@kith/testkit/hostile/remembering-crypto'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import type { HostileRoom } from '@kith/testkit/hostile/hostile-room'
import type { SimulatedMessage } from '@kith/testkit/simulated-network'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect } from 'vitest'
import { never, SimulatedServer } from '../simulated-server.test-support.ts'

export interface HostileSetting {
  readonly world: SimulatedWorld
  readonly alice: SimulatedServer
  readonly bob: SimulatedServer
  readonly carol: SimulatedServer
  readonly mallory: HostileServer
  readonly roomId: RoomId
  /** The room as mallory's server sees it. */
  readonly room: HostileRoom
  /** How many requests a server made to others, of those whose path contains this. */
  readonly requestsBy: (server: ServerName, part: string) => number
  /** Rows in the tables of a server. */
  readonly rowsOf: (server: SimulatedServer, table?: string) => number
}

/** Alice, bob and carol are honest, mallory is not; all are joined to a public room that alice made. */
export async function hostileSetting({ seed = 1, version = '11' } = {}): Promise<HostileSetting> {
  const messages: SimulatedMessage[] = []
  const world = new SimulatedWorld(seed, createRememberingCrypto, (message) => void messages.push(message))
  const alice = await new SimulatedServer(world, 'alice', []).start()
  const bob = await new SimulatedServer(world, 'bob', []).start()
  const carol = await new SimulatedServer(world, 'carol', []).start()
  const mallory = await new HostileServer(world, 'mallory').start()
  const roomId = await createPublicRoom(alice, version)
  await join(world, bob, alice, roomId)
  await join(world, carol, alice, roomId)
  const room = await mallory.join(alice.server, roomId)
  await world.run(10_000)
  const requestsBy = (server: ServerName, part: string) =>
    messages.filter(({ from, path, status }) => from === server && status === undefined && path.includes(part)).length
  const rowsOf = (server: SimulatedServer, table?: string) =>
    [...server.disk.tables].reduce((sum, [name, rows]) => sum + (table === undefined || name === table ? rows.length : 0), 0)
  return { world, alice, bob, carol, mallory, roomId, room, requestsBy, rowsOf }
}

export async function createPublicRoom(server: SimulatedServer, version: string): Promise<RoomId> {
  const outcome = await server.rooms.create(
    {
      creator: server.user,
      version,
      createContent: {},
      events: [
        { type: 'm.room.member', stateKey: server.user, content: { membership: 'join' } },
        { type: 'm.room.power_levels', stateKey: '', content: powerLevelsOf(server, version) },
        { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
        { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } },
      ],
    },
    never,
  )
  if (outcome.kind !== 'created') throw new Error(`The room was not created: ${JSON.stringify(outcome)}`)
  return outcome.roomId
}

function powerLevelsOf(server: SimulatedServer, version: string) {
  // In version 12 the creator's power is above all that can be listed.
  return {
    users: version === '12' ? {} : { [server.user]: 100 },
    users_default: 0,
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
  }
}

async function join(world: SimulatedWorld, server: SimulatedServer, resident: SimulatedServer, roomId: RoomId): Promise<void> {
  const joined = await world.finish(server.federation.joinRoom({ roomId, userId: server.user, via: [resident.server], content: {} }, never))
  if (joined.kind !== 'joined') throw new Error(`Not joined: ${JSON.stringify(joined)}`)
}

/** Sends a state event as the user of that server. */
export async function setState(server: SimulatedServer, roomId: RoomId, type: string, stateKey: string, content: Record<string, string>) {
  const outcome = await server.rooms.send({ roomId, sender: server.user, type, stateKey, content }, never)
  if (outcome.kind !== 'sent') throw new Error(`The state was not set: ${JSON.stringify(outcome)}`)
  return outcome.eventId
}

/** Bodies of all messages that a client can get at this server, those before gaps included. */
async function allMessages(world: SimulatedWorld, server: SimulatedServer, roomId: RoomId): Promise<string[]> {
  const messages: string[] = []
  let from: string | undefined
  let backfilled = 0
  for (;;) {
    const page = await server.rooms.page(roomId, { from, direction: 'b', limit: 500 })
    if (page.gapAt !== undefined && backfilled++ < 20) {
      const fetched = await world.finish(server.federation.backfill(roomId, page.gapAt, 100, never))
      if (fetched > 0) {
        messages.length = 0
        from = undefined
        continue
      }
    }
    messages.push(...page.events.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => ownString(pdu.content, 'body') ?? ''))
    if (page.end === undefined) return messages.toSorted()
    from = page.end
  }
}

/** What a room looks like at a server: what all honest servers must agree on. */
export async function roomAt(world: SimulatedWorld, server: SimulatedServer, roomId: RoomId) {
  const state = server.rooms.state(roomId)
  return {
    state: [...(state?.entries() ?? [])].map(({ eventId }) => eventId).toSorted(),
    messages: await allMessages(world, server, roomId),
    members: [...(state?.members('join') ?? [])].map(({ userId }) => userId).toSorted(),
  }
}

/**
 * Honest traffic goes on after the attack: each honest server sends, and everybody ends with the same.
 * @param visible bodies of mallory's that must be seen; nothing else of hers may.
 */
export async function expectHonestAgree(setting: HostileSetting, visible: readonly string[] | 'anything' = []): Promise<void> {
  const { world, alice, bob, carol, roomId } = setting
  await alice.send(roomId, 'alice after the attack')
  await bob.send(roomId, 'bob after the attack')
  await world.run(60_000)
  const atAlice = await roomAt(world, alice, roomId)
  expect(await roomAt(world, bob, roomId)).toEqual(atAlice)
  expect(await roomAt(world, carol, roomId)).toEqual(atAlice)
  const hers = atAlice.messages.filter((body) => !/^(alice|bob|carol) /.test(body))
  if (visible !== 'anything') expect(hers).toEqual([...visible].toSorted())
  expect(atAlice.messages).toContain('alice after the attack')
  expect(atAlice.messages).toContain('bob after the attack')
  expect(await alice.undelivered()).toEqual(new Map())
  expect(await bob.undelivered()).toEqual(new Map())
}

/** Asks a server for an event as clients see it. */
export async function isVisible(server: SimulatedServer, roomId: RoomId, eventId: EventId): Promise<boolean> {
  const { events } = await server.rooms.timelineSince(roomId, 0, 10_000)
  return events.some((event) => event.eventId === eventId)
}
