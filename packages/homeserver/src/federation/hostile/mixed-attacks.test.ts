import type { JsonObject, Pdu } from '@kith/matrix-protocol'
import { asJson, type HandmadeEvent } from '@kith/testkit/hostile/hostile-room'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import type { SimulatedServer } from '../simulated-server.test-support.ts'
import { expectHonestAgree, hostileSetting, type HostileSetting } from './hostile-setting.test-support.ts'

const STEPS = 40
const VERSIONS = ['1', '3', '6', '9', '10', '11', '12']

/** What the attacks must have led to, over all seeds; else they attack nothing. */
const witnessed = { refused: 0, staged: 0, fetched: 0, accepted: 0 }

type Attack = (setting: HostileSetting, target: SimulatedServer) => Promise<readonly (Pdu | JsonObject)[]>

const attacks: Record<string, Attack> = {
  'an honest message': async ({ room }) => [room.note(await room.message('mallory says')).pdu],
  'a fork': async (setting) => [(await setting.room.message('mallory forks', { prev: [pickEvent(setting)] })).pdu],
  'two faces': async (setting) => [
    setting.room.note(await setting.room.message(`mallory has faces ${setting.world.random.integer(1_000)}`)).pdu,
  ],
  'a gap': async ({ room, world }) => {
    const chain = await room.chain(2 + world.random.integer(30))
    for (const event of chain) room.note(event)
    return chain.slice(-1).map(({ pdu }) => pdu)
  },
  nowhere: async ({ room, mallory }) => [(await room.message('upon nothing', { prev_events: [mallory.inventEventId(room.version)] })).pdu],
  power: async ({ room, mallory }) => [
    (await room.make({ type: 'm.room.power_levels', state_key: '', content: { users: { [mallory.user]: 100 } } })).pdu,
  ],
  'a ban of alice': async ({ room, alice }) => [
    (await room.make({ type: 'm.room.member', state_key: alice.user, content: { membership: 'ban' } })).pdu,
  ],
  'a topic': async ({ room }) => [(await room.make({ type: 'm.room.topic', state_key: '', content: { topic: 'taken over' } })).pdu],
  'her own name': async ({ room, mallory, world }) => [
    room.note(
      await room.make({
        type: 'm.room.member',
        state_key: mallory.user,
        content: { membership: 'join', displayname: `${world.random.integer(9)}` },
      }),
    ).pdu,
  ],
  'a wrong signature': async ({ room, mallory }) => [
    { ...asJson(await room.message('unsigned')), signatures: { [mallory.server]: { 'ed25519:1': 'B'.repeat(86) } } },
  ],
  'the name of alice': async ({ room, alice }) => [(await room.message('forged', { sender: alice.user })).pdu],
  'the end of time': async ({ room }) => [
    (await room.message('mallory at the end', { depth: Number.MAX_SAFE_INTEGER, origin_server_ts: Number.MAX_SAFE_INTEGER })).pdu,
  ],
  'what was sent before': async ({ room, world }) => [...room.events.values()].slice(-1 - world.random.integer(10)),
  'changed content': async ({ room, world }) => {
    const events = [...room.events.values()].filter(({ type }) => type === 'm.room.message')
    const pdu = events[world.random.integer(Math.max(1, events.length))]
    return pdu === undefined ? [] : [{ ...asJson({ eventId: room.newest.eventId, pdu }), content: { body: 'changed' } }]
  },
}

function pickEvent({ room, world }: HostileSetting): HandmadeEvent {
  const events = [...room.events].map(([eventId, pdu]) => ({ eventId, pdu }))
  return events[world.random.integer(events.length)] ?? room.newest
}

/** Sometimes true, sometimes silent, sometimes nonsense. */
function answerByChance(setting: HostileSetting): void {
  const { mallory, room, world } = setting
  mallory.answering((asked) => {
    if (!/^\/v1\/(get_missing_events|event|state_ids|state|backfill|event_auth)\//.test(asked.path)) return undefined
    witnessed.fetched++
    switch (world.random.integer(5)) {
      case 0:
        return new Promise(() => undefined)
      case 1:
        return Response.json({
          events: [...room.events.values()].slice(-20),
          pdus: [...room.events.values()].slice(-1),
          pdu_ids: [room.newest.eventId],
          auth_chain_ids: [],
        })
      default:
        return room.answersFrom(room.events)(asked)
    }
  })
}

test.each(Array.from({ length: 14 }, (_, seed) => seed + 1))(
  'honest servers stay right and agree whatever mallory mixes, seed %i',
  { timeout: 120_000 },
  async (seed) => {
    const setting = await hostileSetting({ seed, version: VERSIONS[seed % VERSIONS.length] ?? '11' })
    const { world, alice, bob, carol, mallory, room, roomId } = setting
    const honest = [alice, bob, carol]
    const powerLevels = alice.rooms.state(roomId)?.get('m.room.power_levels', '')?.eventId
    answerByChance(setting)
    const kinds = Object.values(attacks)
    for (let step = 0; step < STEPS; step++) {
      const target = pick(setting, honest)
      const attack = pick(setting, kinds)
      const pdus = (await attack(setting, target)).slice(0, limits.specification.pdusPerTransactionMax)
      const targets = world.random.integer(3) === 0 ? honest : [target]
      for (const { server } of targets) void count(mallory.sendLater(server, pdus))
      if (world.random.integer(4) === 0) await pick(setting, honest).send(roomId, `${pick(setting, ['alice', 'bob', 'carol'])} at ${step}`)
      if (world.random.integer(8) === 0) world.network.cut(pick(setting, honest).server, pick(setting, honest).server)
      if (world.random.integer(4) === 0) world.network.mendAll()
      await world.run(world.random.integer(3_000))
      for (const { body } of mallory.asked.splice(0)) if (Array.isArray(body['pdus'])) for (const pdu of body['pdus']) room.learn(pdu)
    }
    world.network.mendAll()
    await world.run(10 * 60_000)
    for (const server of honest) witnessed.staged += setting.rowsOf(server, 'federation.staged')
    await expectHonestAgree(setting, 'anything')
    witnessed.accepted += (await alice.messages(roomId)).filter((body) => body.startsWith('mallory')).length
    for (const server of honest) {
      expect(await server.messages(roomId)).not.toContain('changed')
      expect(await server.messages(roomId)).not.toContain('forged')
      const state = server.rooms.state(roomId)
      expect(state?.get('m.room.power_levels', '')?.eventId).toBe(powerLevels)
      expect(state?.get('m.room.topic', '')).toBeUndefined()
      for (const { user } of honest) expect(state?.membershipOf(user)).toBe('join')
      expect(setting.rowsOf(server, 'federation.staged')).toBeLessThanOrEqual(limits.implementation.stagedEventsPerOriginMax)
      expect(server.rooms.extremities(roomId).length).toBeLessThanOrEqual(limits.implementation.roomExtremitiesMax)
      await server.kill()
    }
  },
)

test('the attacks attacked', () => {
  for (const seen of Object.values(witnessed)) expect(seen).toBeGreaterThan(0)
})

async function count(answer: Promise<{ readonly status: number; readonly body: JsonObject }>): Promise<void> {
  const { body } = await answer.catch(() => ({ body: {} as JsonObject }))
  witnessed.refused += Object.values((body['pdus'] ?? {}) as JsonObject).filter((result) => JSON.stringify(result).includes('error')).length
}

function pick<T>({ world }: HostileSetting, items: readonly T[]): T {
  const item = items[world.random.integer(items.length)]
  if (item === undefined) throw new RangeError('Nothing to pick from')
  return item
}
