import {
  addContentHash,
  canonicalJsonBytes,
  encodeBase64,
  eventIdOf,
  type JsonObject,
  type Pdu,
  type RoomId,
  type RoomVersion,
  roomVersion,
  SIGNING_KEY_ID,
  eventSigningBytes,
  type UnhashedPdu,
  withSignature,
} from '@kith/matrix-protocol'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import type { WorldIdentity } from '@kith/testkit/simulated-world'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inviteBody } from '../invite-body.ts'
import { limits } from '../../limits.ts'
import { change, join, makeRoom, setState } from '../membership/rooms.test-support.ts'
import { ask, twoServersAndRelay } from '../settings.test-support.ts'
import { never, type SimulatedServer } from '../simulated-server.test-support.ts'

/** A stranger who speaks federation by hand, and a public room at alice. */
async function stranger(wish: Parameters<typeof makeRoom>[1] = {}) {
  const setting = await twoServersAndRelay()
  const { world, alice } = setting
  const mallory = world.createIdentity()
  const roomId = await makeRoom(alice, wish)
  const version = alice.rooms.version(roomId)
  if (version === undefined) throw new Error('The room is not known')
  const room = encodeURIComponent(roomId)
  const user = `@m:${mallory.server}`
  const get = (path: string) => ask(world, mallory, alice.server, 'GET', path)
  const put = (path: string, body: unknown) => ask(world, mallory, alice.server, 'PUT', path, body)
  const make = async (membership: string): Promise<JsonObject> => {
    const answer = await get(`v1/make_${membership}/${room}/${user}?ver=${version.id}`)
    expect(answer.status).toBe(200)
    const { origin: _origin, ...event } = answer.body['event'] as JsonObject
    return { ...event, content: { membership } }
  }
  const sign = (event: JsonObject) => signed(mallory, event, version)
  const send = async (membership: string, event: Pdu, id: string = eventIdOf(event, version)) =>
    put(`${membership === 'knock' ? 'v1' : 'v2'}/send_${membership}/${room}/${encodeURIComponent(id)}`, event)
  return { ...setting, mallory, roomId, version, room, user, get, put, make, sign, send }
}

async function signed(identity: WorldIdentity, event: JsonObject, version: RoomVersion): Promise<Pdu> {
  const hashed = addContentHash(event as unknown as UnhashedPdu, version)
  return withSignature(hashed, identity.server, SIGNING_KEY_ID, await identity.crypto.sign(eventSigningBytes(hashed, version)))
}

function errorOf(answer: { readonly status: number; readonly body: JsonObject }) {
  return [answer.status, answer.body['errcode']]
}

describe('make_join, make_knock and make_leave', () => {
  test.each([
    ['a room version that the other does not know', 'make_join', '?ver=1&ver=11', [400, 'M_INCOMPATIBLE_ROOM_VERSION']],
    ['no room version', 'make_join', '', [400, 'M_INCOMPATIBLE_ROOM_VERSION']],
    ['no room version', 'make_knock', '', [400, 'M_INCOMPATIBLE_ROOM_VERSION']],
    ['a room that takes no knocks', 'make_knock', '?ver=12', [403, 'M_FORBIDDEN']],
    ['somebody who is not in the room', 'make_leave', '', [403, 'M_FORBIDDEN']],
  ])('for %s: %s', async (_what, endpoint, query, expected) => {
    const { get, room, user } = await stranger()
    const answer = await get(`v1/${endpoint}/${room}/${user}${query}`)
    expect(errorOf(answer)).toEqual(expected)
    expect(answer.body['room_version']).toBe(expected[1] === 'M_INCOMPATIBLE_ROOM_VERSION' ? '12' : undefined)
  })

  test.each(['make_join', 'make_knock', 'make_leave'])('%s: for rooms and users that are no concern of the other', async (endpoint) => {
    const { get, room, user, alice } = await stranger()
    expect(errorOf(await get(`v1/${endpoint}/!unknown:room.example/${user}?ver=12`))).toEqual([404, 'M_NOT_FOUND'])
    expect(errorOf(await get(`v1/${endpoint}/${room}/${alice.user}?ver=12`))).toEqual([403, 'M_FORBIDDEN'])
    expect(errorOf(await get(`v1/${endpoint}/nonsense/${user}?ver=12`))).toEqual([400, 'M_INVALID_PARAM'])
    expect(errorOf(await get(`v1/${endpoint}/${room}/nonsense?ver=12`))).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('banned users neither come in nor knock', async () => {
    const { get, room, user, alice, roomId } = await stranger({ joinRules: { join_rule: 'knock' } })
    await change(alice, roomId, user as typeof alice.user, 'ban', alice.user)
    for (const endpoint of ['make_join', 'make_knock']) {
      expect(errorOf(await get(`v1/${endpoint}/${room}/${user}?ver=12`))).toEqual([403, 'M_FORBIDDEN'])
    }
  })
})

describe.each(['join', 'knock', 'leave'])('send_%s', (membership) => {
  const wish = { joinRules: { join_rule: membership === 'knock' ? 'knock' : 'public' } }

  async function ready() {
    const setting = await stranger(wish)
    if (membership === 'leave') await setting.send('join', await setting.sign(await setting.make('join')))
    return { ...setting, event: await setting.make(membership) }
  }

  test('takes the event in, again and again', async () => {
    const { alice, roomId, user, sign, send, event } = await ready()
    const pdu = await sign(event)
    for (let count = 0; count < 2; count++) expect((await send(membership, pdu)).status).toBe(200)
    expect(alice.rooms.state(roomId)?.membershipOf(user as typeof alice.user)).toBe(membership)
  })

  test('refuses what is no such event of the other', async () => {
    const { sign, send, event, alice, roomId, world, version } = await ready()
    const other = world.createIdentity()
    const cases: readonly (readonly [string, Pdu | JsonObject, string?])[] = [
      ['M_INVALID_PARAM', await sign({ ...event, type: 'm.room.topic' })],
      ['M_INVALID_PARAM', await sign({ ...event, content: { membership: 'ban' } })],
      ['M_INVALID_PARAM', await sign({ ...event, state_key: alice.user })],
      ['M_INVALID_PARAM', await sign({ ...event, room_id: '!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' })],
      ['M_INVALID_PARAM', await sign({ ...event, sender: `@o:${other.server}`, state_key: `@o:${other.server}` })],
      ['M_INVALID_PARAM', await signed(other, { ...event, sender: `@o:${other.server}`, state_key: `@o:${other.server}` }, version)],
      ['M_INVALID_PARAM', { ...(await sign(event)), content: { ...(event['content'] as JsonObject), displayname: 'Another' } }],
      ['M_INVALID_PARAM', { ...(await sign(event)), signatures: {} }],
      ['M_INVALID_PARAM', { ...(await sign(event)), hashes: { sha256: 'x' } }],
      ['M_INVALID_PARAM', await sign(event), '$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
      ['M_INVALID_PARAM', await sign({ ...event, prev_events: ['$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'] })],
      ['M_BAD_JSON', { ...(await sign(event)), depth: 'x' }, '$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ]
    const before = alice.rooms.extremities(roomId)
    for (const [index, [errcode, pdu, id]] of cases.entries()) {
      const answer = id === undefined ? await send(membership, pdu as Pdu) : await send(membership, pdu as Pdu, id)
      expect([index, ...errorOf(answer)]).toEqual([index, 400, errcode])
    }
    expect(alice.rooms.extremities(roomId)).toEqual(before)
  })

  test('refuses, now and when it comes again, what the room no longer allows', async () => {
    const { alice, roomId, user, sign, send, event } = await ready()
    const pdu = await sign(event)
    const target = user as typeof alice.user
    if (membership === 'leave') await change(alice, roomId, target, 'ban', alice.user)
    else await setState(alice, roomId, 'm.room.join_rules', { join_rule: 'invite' })
    for (let count = 0; count < 2; count++) expect(errorOf(await send(membership, pdu))).toEqual([403, 'M_FORBIDDEN'])
  })
})

test('send_join tells the room to nobody whose event has the id of another one', async () => {
  const { sign, send, make, mallory } = await stranger({ version: '1' })
  const id = (name: string) => ({ event_id: `$${name}:${mallory.server}` })
  expect((await send('join', await sign({ ...(await make('join')), ...id('join') }))).status).toBe(200)
  const leave = { ...(await make('leave')), ...id('leave') }
  expect((await send('leave', await sign(leave))).status).toBe(200)
  expect((await send('leave', await sign(leave))).status).toBe(200)
  expect(errorOf(await send('join', await sign({ ...leave, content: { membership: 'join' } })))).toEqual([403, 'M_FORBIDDEN'])
})

test('send_knock tells what the room is, in events that prove it', async () => {
  const { sign, send, make, alice, roomId, version } = await stranger({ joinRules: { join_rule: 'knock' } })
  const answer = await send('knock', await sign(await make('knock')))
  const state = answer.body['knock_room_state'] as unknown as Pdu[]
  const create = state.find(({ type }) => type === 'm.room.create')
  expect(create && `!${eventIdOf(create, version).slice(1)}`).toBe(roomId)
  expect(state.map(({ type }) => type)).not.toContain('m.room.message')
  expect(alice.rooms.state(roomId)?.size).toBeGreaterThan(state.length)
})

describe('invite', () => {
  async function invited(version?: string) {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { ...(version === undefined ? {} : { version }), joinRules: { join_rule: 'invite' } })
    const draft = { roomId, sender: alice.user, type: 'm.room.member', stateKey: bob.user, content: { membership: 'invite' } }
    const built = await alice.rooms.buildEvent(draft, never)
    const state = alice.rooms.state(roomId)
    const known = alice.rooms.version(roomId)
    if (built.kind !== 'built' || state === undefined || known === undefined) throw new Error('Not built')
    const body = inviteBody(built.pdu, known, state)
    const put = (changed: JsonObject, id: string = built.eventId) =>
      request(alice, bob, `v2/invite/${encodeURIComponent(roomId)}/${encodeURIComponent(id)}`, changed)
    const request = async (from: SimulatedServer, to: SimulatedServer, path: string, json: JsonObject) => {
      const url = `https://${to.server}/_matrix/federation/${path}`
      const response = await world.finish(
        from.network.request(to.server, new Request(url, { method: 'PUT', body: JSON.stringify(json) }), never),
      )
      return { status: response.status, body: (await response.json()) as JsonObject }
    }
    return { world, alice, bob, roomId, body, put, pdu: built.pdu, version: known }
  }

  function withState(body: JsonObject, change_: (state: readonly JsonObject[]) => readonly JsonObject[]): JsonObject {
    return { ...body, invite_room_state: change_(body['invite_room_state'] as readonly JsonObject[]) }
  }

  test('is signed and kept', async () => {
    const { bob, roomId, body, put, version } = await invited()
    const answer = await put(body)
    expect(answer.status).toBe(200)
    expect(Object.keys((answer.body['event'] as unknown as Pdu).signatures)).toContain(bob.server)
    expect(bob.rooms.invite(roomId, bob.user)?.version).toBe(version.id)
  })

  test.each<readonly [string, (body: JsonObject) => JsonObject, readonly unknown[]]>([
    ['no room version', ({ room_version: _version, ...body }) => body, [400, 'M_MISSING_PARAM']],
    ['an unknown room version', (body) => ({ ...body, room_version: '99' }), [400, 'M_INCOMPATIBLE_ROOM_VERSION']],
    ['no event', ({ event: _event, ...body }) => body, [400, 'M_MISSING_PARAM']],
    ['another event', (body) => ({ ...body, event: { ...(body['event'] as JsonObject), depth: 77 } }), [400, 'M_INVALID_PARAM']],
    ['no state', ({ invite_room_state: _state, ...body }) => body, [400, 'M_INVALID_PARAM']],
    [
      'no create event',
      (body) => withState(body, (state) => state.filter(({ type }) => type !== 'm.room.create')),
      [400, 'M_INVALID_PARAM'],
    ],
    [
      'a stripped event',
      (body) => withState(body, ([first, ...rest]) => [{ type: first?.['type'] ?? '' }, ...rest]),
      [400, 'M_INVALID_PARAM'],
    ],
    ['a changed event', (body) => withState(body, (state) => state.map((event) => ({ ...event, depth: 9 }))), [400, 'M_INVALID_PARAM']],
    [
      'an unsigned event',
      (body) => withState(body, (state) => state.map((event) => ({ ...event, signatures: {} }))),
      [400, 'M_INVALID_PARAM'],
    ],
    ['too many events', (body) => withState(body, (state) => Array(200).fill(state[0])), [400, 'M_INVALID_PARAM']],
  ])('with %s is refused', async (_what, change_, expected) => {
    const { bob, roomId, body, put } = await invited()
    expect(errorOf(await put(change_(body)))).toEqual(expected)
    expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
  })

  test('of an older room may come with stripped state, but not with a create event of another version', async () => {
    const { bob, roomId, body, put } = await invited('10')
    const strip = ({ type = '', state_key = '', sender = '', content = {} }: JsonObject) => ({ type, state_key, sender, content })
    const wrong = withState(body, (state) =>
      state.map(strip).map((event) => (event.type === 'm.room.create' ? { ...event, content: { room_version: '9' } } : event)),
    )
    expect(errorOf(await put(wrong))).toEqual([400, 'M_INVALID_PARAM'])
    expect((await put(withState(body, (state) => state.map(strip)))).status).toBe(200)
    expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
  })

  test('of a stranger in the name of another, or for a user of another server, is not signed', async () => {
    const { world, alice, bob, roomId, body, pdu } = await invited()
    const mallory = world.createIdentity()
    const path = `v2/invite/${encodeURIComponent(roomId)}/${encodeURIComponent(eventIdOf(pdu, roomVersion('12') ?? never12()))}`
    expect(errorOf(await ask(world, mallory, bob.server, 'PUT', path, body))).toEqual([400, 'M_INVALID_PARAM'])
    expect(alice.rooms.state(roomId)?.membershipOf(bob.user)).toBeUndefined()
  })
})

function never12(): never {
  throw new Error('Version 12 is known')
}

describe('invites by address', () => {
  const invite = (roomId: RoomId, sender: string, mxid: string) => ({
    type: 'm.room.member',
    room_id: roomId,
    sender,
    state_key: mxid,
    content: {
      membership: 'invite',
      third_party_invite: {
        display_name: 'somebody',
        signed: { mxid, token: 'token', signatures: { 'id.example': { 'ed25519:0': 'AAAA' } } },
      },
    },
  })

  test('exchange_third_party_invite refuses what no identity server signed', async () => {
    const { alice, roomId, room, user, put } = await stranger()
    const path = `v1/exchange_third_party_invite/${room}`
    const good = invite(roomId, alice.user, user)
    expect(errorOf(await put(path, good))).toEqual([403, 'M_FORBIDDEN'])
    expect(errorOf(await put(path, { ...good, state_key: alice.user }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(errorOf(await put(path, { ...good, sender: user }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(errorOf(await put(path, { ...good, room_id: '!other:room.example' }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(errorOf(await put(path, { ...good, content: {} }))).toEqual([400, 'M_BAD_JSON'])
    expect(errorOf(await put('v1/exchange_third_party_invite/!x:y.example', { ...good, room_id: '!x:y.example' }))).toEqual([
      404,
      'M_NOT_FOUND',
    ])
    expect(alice.rooms.state(roomId)?.membershipOf(user as typeof alice.user)).toBeUndefined()
  })

  test('exchange_third_party_invite invites whom the identity server of the invited address names', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const identityServer = world.createIdentity()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    const token = 'a token'
    const publicKey = encodeBase64(identityServer.crypto.publicKey)
    const draft = { roomId, sender: alice.user, type: 'm.room.third_party_invite', stateKey: token }
    const content = { display_name: 'B...', public_key: publicKey, public_keys: [{ public_key: publicKey }] }
    expect(await alice.rooms.send({ ...draft, content }, never)).toMatchObject({ kind: 'sent' })
    const proof = { mxid: bob.user, token }
    const signature = encodeBase64(await identityServer.crypto.sign(canonicalJsonBytes(proof)))
    const signed = { ...proof, signatures: { 'id.example': { 'ed25519:0': signature } } }
    const pending = { medium: 'email', address: 'b@example.org', mxid: bob.user, room_id: roomId, sender: alice.user, signed }
    const body = { medium: 'email', address: 'b@example.org', mxid: bob.user, invites: [pending] }
    // The identity server tells bob's server, which asks alice's, which invites bob.
    expect(await ask(world, identityServer, bob.server, 'PUT', 'v1/3pid/onbind', body)).toEqual({ status: 200, body: {} })
    const member = alice.rooms.state(roomId)?.get('m.room.member', bob.user)
    expect(member?.pdu.content).toMatchObject({ membership: 'invite', third_party_invite: { display_name: 'B...', signed } })
    expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
    // Everybody in the room can read the proof: it must not serve to throw somebody back to an invite.
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'joined' })
    const replayed = { ...invite(roomId, alice.user, bob.user), content: member?.pdu.content }
    const path = `v1/exchange_third_party_invite/${encodeURIComponent(roomId)}`
    expect(await ask(world, world.createIdentity(), alice.server, 'PUT', path, replayed)).toEqual({ status: 200, body: {} })
    expect(alice.rooms.state(roomId)?.membershipOf(bob.user)).toBe('join')
  })

  test('onbind asks one server at a time', async () => {
    const { world, alice, mallory } = await stranger()
    const silent = await new HostileServer(world, 'silent').start()
    silent.answering(() => new Promise(() => undefined))
    const signed = { mxid: alice.user, token: 'token', signatures: {} }
    const pending = { medium: 'email', address: 'a@example.org', mxid: alice.user, room_id: '!x:y.example', sender: silent.user, signed }
    const body = { medium: 'email', address: 'a@example.org', mxid: alice.user, invites: Array.from({ length: 5 }, () => pending) }
    const network = world.network.node(mallory.server)
    await network.start(never)
    const url = `https://${alice.server}/_matrix/federation/v1/3pid/onbind`
    const asked = network.request(alice.server, new Request(url, { method: 'PUT', body: JSON.stringify(body) }), never)
    await world.run(limits.implementation.interactiveTimeoutMs / 2)
    expect(silent.askedCount('/v1/exchange_third_party_invite/')).toBe(1)
    expect((await world.finish(asked)).status).toBe(200)
    expect(silent.askedCount('/v1/exchange_third_party_invite/')).toBe(5)
  })

  test('onbind is heard, for users of this server only', async () => {
    const { alice, put, user, roomId } = await stranger()
    const body = { medium: 'email', address: 'a@example.org', mxid: alice.user, invites: [] }
    expect(await put('v1/3pid/onbind', body)).toEqual({ status: 200, body: {} })
    const { signed: proof } = invite(roomId, alice.user, alice.user).content.third_party_invite
    const pending = { medium: 'email', address: 'a@example.org', mxid: alice.user, room_id: roomId, sender: alice.user, signed: proof }
    expect(await put('v1/3pid/onbind', { ...body, invites: [pending] })).toEqual({ status: 200, body: {} })
    expect(errorOf(await put('v1/3pid/onbind', { ...body, mxid: user }))).toEqual([404, 'M_NOT_FOUND'])
    expect(errorOf(await put('v1/3pid/onbind', { ...body, invites: [{ ...pending, mxid: user }] }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(errorOf(await put('v1/3pid/onbind', { ...body, invites: Array.from({ length: 100 }, () => pending) }))).toEqual([
      400,
      'M_BAD_JSON',
    ])
    expect(errorOf(await put('v1/3pid/onbind', {}))).toEqual([400, 'M_BAD_JSON'])
  })
})

test('no body that can be thought of makes an error of the server', async () => {
  const { alice, room, put, sign, make, user, roomId } = await stranger()
  const event = await sign(await make('join'))
  const seeds: readonly JsonObject[] = [
    event as unknown as JsonObject,
    { room_version: '12', event: event as unknown as JsonObject, invite_room_state: [event as unknown as JsonObject] },
    {
      type: 'm.room.member',
      room_id: roomId,
      sender: alice.user,
      state_key: user,
      content: { membership: 'invite', third_party_invite: { display_name: '', signed: { mxid: user, token: '', signatures: {} } } },
    },
    { medium: '', address: '', mxid: alice.user, invites: [{}] },
  ]
  const paths = [
    `v1/send_join/${room}/$x:y`,
    `v2/send_join/${room}/$x:y`,
    `v1/send_leave/${room}/$x:y`,
    `v2/send_leave/${room}/$x:y`,
    `v1/send_knock/${room}/$x:y`,
    `v1/invite/${room}/$x:y`,
    `v2/invite/${room}/$x:y`,
    `v1/exchange_third_party_invite/${room}`,
    'v1/3pid/onbind',
  ]
  const broken = fc.oneof(
    fc.jsonValue(),
    fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(30), fc.jsonValue()), { maxLength: 3 }))
      .map(([seed, changes]) => damaged(seed, changes)),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), broken, async (path, body) => {
      const answer = await put(path, body === undefined ? null : body)
      return answer.status < 500 && (answer.status === 200 || typeof answer.body['errcode'] === 'string')
    }),
    { numRuns: 400 },
  )
})

/** The value with some of its members, anywhere inside, replaced. */
function damaged(seed: JsonObject, changes: readonly (readonly [number, unknown])[]): unknown {
  const copy = structuredClone(seed) as unknown
  for (const [index, value] of changes) {
    const places: (readonly [Record<string, unknown>, string])[] = []
    collect(copy, places)
    const place = places[index % Math.max(1, places.length)]
    if (place !== undefined) place[0][place[1]] = value
  }
  return copy
}

function collect(value: unknown, places: (readonly [Record<string, unknown>, string])[]): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    places.push([value as Record<string, unknown>, key])
    collect(member, places)
  }
}
