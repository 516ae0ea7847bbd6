import { type JsonObject, makeUserId, type RoomId, type ServerName, type UserId } from '@kith/matrix-protocol'
import type { SimulatedWorld } from '@kith/testkit/simulated-world'
import type { PeerRequestHandler } from '../../ports/index.ts'
import { twoServersAndRelay } from '../settings.test-support.ts'
import { never, SimulatedServer } from '../simulated-server.test-support.ts'

interface RoomWish {
  readonly version?: string
  readonly joinRules?: JsonObject
  /** Further state, by type. */
  readonly state?: Readonly<Record<string, JsonObject>>
  /** How many users of the server join besides its own. */
  readonly crowd?: number
}

/** Three servers that know nothing of each other. */
export async function threeServers() {
  const setting = await twoServersAndRelay()
  const carol = await new SimulatedServer(setting.world, 'carol', [setting.relay.server]).start()
  await setting.world.run(1_000)
  return { ...setting, carol }
}

export async function makeRoom(server: SimulatedServer, wish: RoomWish = {}): Promise<RoomId> {
  const { version, joinRules = { join_rule: 'public' }, state = {}, crowd = 0 } = wish
  const outcome = await server.rooms.create(
    {
      creator: server.user,
      ...(version === undefined ? {} : { version }),
      createContent: {},
      events: [
        { type: 'm.room.member', stateKey: server.user, content: { membership: 'join' } },
        { type: 'm.room.power_levels', stateKey: '', content: powerLevels(server, version) },
        { type: 'm.room.join_rules', stateKey: '', content: joinRules },
        ...Object.entries(state).map(([type, content]) => ({ type, stateKey: '', content })),
      ],
    },
    never,
  )
  if (outcome.kind !== 'created') throw new Error(`The room was not created: ${JSON.stringify(outcome)}`)
  for (const userId of crowdOf(server, crowd)) await change(server, outcome.roomId, userId, 'join')
  return outcome.roomId
}

/** Creators have their power without being named from version 12 on, and must not be named. */
function powerLevels(server: SimulatedServer, version = '12'): JsonObject {
  return { users: version === '12' ? {} : { [server.user]: 100 }, invite: 50 }
}

export function crowdOf(server: SimulatedServer, size: number): UserId[] {
  return Array.from({ length: size }, (_, index) => makeUserId(`member${index}`, server.server))
}

/** A membership event made by a user of the server, about themself unless a sender is named. */
export async function change(
  server: SimulatedServer,
  roomId: RoomId,
  userId: UserId,
  membership: string,
  sender: UserId = userId,
): Promise<void> {
  const outcome = await server.rooms.send({ roomId, sender, type: 'm.room.member', stateKey: userId, content: { membership } }, never)
  if (outcome.kind !== 'sent') throw new Error(`No ${membership}: ${JSON.stringify(outcome)}`)
}

export async function setState(server: SimulatedServer, roomId: RoomId, type: string, content: JsonObject, stateKey = ''): Promise<void> {
  const outcome = await server.rooms.send({ roomId, sender: server.user, type, stateKey, content }, never)
  if (outcome.kind !== 'sent') throw new Error(`No ${type}: ${JSON.stringify(outcome)}`)
}

export function join(world: SimulatedWorld, server: SimulatedServer, roomId: RoomId, via: readonly SimulatedServer[]) {
  const input = { roomId, userId: server.user, via: via.map((other) => other.server), content: {} }
  return world.finish(server.federation.joinRoom(input, never))
}

export function knock(world: SimulatedWorld, server: SimulatedServer, roomId: RoomId, via: readonly SimulatedServer[]) {
  const input = { roomId, userId: server.user, via: via.map((other) => other.server), content: {} }
  return world.finish(server.federation.knockRoom(input, never))
}

export function leave(world: SimulatedWorld, server: SimulatedServer, roomId: RoomId) {
  return world.finish(server.federation.leaveRoom({ roomId, userId: server.user, content: {} }, never))
}

export function invite(world: SimulatedWorld, from: SimulatedServer, roomId: RoomId, to: SimulatedServer) {
  return world.finish(from.federation.invite({ roomId, sender: from.user, invitee: to.user, content: {} }, never))
}

export function membershipAt(server: SimulatedServer, roomId: RoomId, userId: UserId): string | undefined {
  return server.rooms.state(roomId)?.membershipOf(userId)
}

/** Lets a server answer requests whose path contains `part` as `answer` says; the honest answer is at hand. */
export function lie(
  server: SimulatedServer,
  part: string,
  answer: (honest: () => Promise<Response>, request: Request, origin: ServerName) => Promise<Response>,
): void {
  const handler: PeerRequestHandler = (origin, request) => {
    const honest = (): Promise<Response> => server.federation.serve(origin, request)
    return new URL(request.url).pathname.includes(part) ? answer(honest, request, origin) : honest()
  }
  server.network.serve(handler)
}

/** Lets a server change what it answers. */
export function forge(server: SimulatedServer, part: string, change: (body: Record<string, unknown>) => unknown): void {
  lie(server, part, async (honest) => {
    const response = await honest()
    if (!response.ok) return response
    return Response.json(change((await response.json()) as Record<string, unknown>))
  })
}
