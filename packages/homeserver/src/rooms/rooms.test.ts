import { type EventId, type Pdu, prevEventIdsOf, type RoomId, roomVersion } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { joinRemotely, RoomServer, sentId, signal, stateBeforeFrom } from './room-servers.test-support.ts'

test.each(['10', '11', '12'])('a room of version %s is created in one commit and survives a restart', async (version) => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice, { version })
  const before = server.stateText(roomId)
  expect(before.split('\n')).toHaveLength(4)
  expect(server.rooms.joinedRooms(alice)).toEqual([roomId])
  await server.restart()
  expect(server.stateText(roomId)).toBe(before)
  expect(server.rooms.version(roomId)?.id).toBe(version)
  expect(server.rooms.extremities(roomId)).toHaveLength(1)
  expect(await server.timeline.since(0, 100)).toHaveLength(4)
})

test('a room that the rules do not allow is not created at all', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const events = [
    { type: 'm.room.member', stateKey: alice, content: { membership: 'join' } },
    { type: 'm.room.power_levels', stateKey: '', content: { users: { 'not a user': 1 } } },
  ]
  const outcome = await server.rooms.create({ creator: alice, createContent: {}, events }, signal)
  expect(outcome).toMatchObject({ kind: 'denied', type: 'm.room.power_levels' })
  expect(server.rooms.roomIds()).toEqual([])
  expect(await server.timeline.since(0, 10)).toEqual([])
})

test('sends issued together become one chain in the order of the calls', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  const ids = await Promise.all(Array.from({ length: 150 }, async (_, index) => server.say(roomId, alice, `${index}`)))
  const history = await server.history(roomId)
  expect(history.slice(4).map((event) => event.eventId)).toEqual(ids)
  for (const [index, event] of history.entries()) {
    expect(prevEventIdsOf(event.pdu)).toEqual(index === 0 ? [] : [history[index - 1]?.eventId])
    expect(event.pdu.depth).toBe(index + 1)
  }
  const positions = history.map((event) => event.position ?? 0)
  expect(positions).toEqual(positions.toSorted((a, b) => a - b))
})

test('what may not be sent is not stored, and says why', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  const { position } = server.timeline
  expect(await server.send(roomId, server.user('stranger'), { type: 'm.room.message', content: {} })).toMatchObject({ kind: 'denied' })
  expect(await server.send(roomId, alice, { type: 'm.room.message', content: { body: 'x'.repeat(64_000) } })).toMatchObject({
    kind: 'sent',
  })
  expect(await server.send(roomId, alice, { type: 'm.room.message', content: { body: 'x'.repeat(65_535) } })).toEqual({ kind: 'too-large' })
  expect(await server.send(roomId, alice, { type: 'm.room.message', content: { half: 0.5 } })).toMatchObject({ kind: 'denied' })
  expect(await server.send('!none' as typeof roomId, alice, { type: 'm.room.message', content: {} })).toEqual({ kind: 'unknown-room' })
  expect(await server.timeline.since(position, 10)).toHaveLength(1)
})

test('extra writes and the transaction id belong to the commit of the event', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  let seen: EventId | undefined
  const transactionId = { deviceId: 'D', txnId: 't' }
  const outcome = await server.rooms.send(
    {
      roomId,
      sender: alice,
      type: 'm.room.message',
      content: {},
      transactionId,
      extraWrites: (transaction, eventId) => {
        seen = eventId
        transaction.append({ kind: 'account-data', userId: alice, type: 'test' })
      },
    },
    signal,
  )
  expect(seen).toBe(sentId(outcome))
  expect((await server.stored(sentId(outcome))).transactionId).toEqual(transactionId)
  expect((await server.timeline.since(0, 100)).at(-1)?.value).toMatchObject({ kind: 'account-data' })
})

test('an aborted send writes nothing', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  const { position } = server.timeline
  const abort = new AbortController()
  const send = server.rooms.send({ roomId, sender: alice, type: 'm.room.message', content: {} }, abort.signal)
  abort.abort(new Error('gone'))
  await expect(send).rejects.toThrow('gone')
  expect(server.timeline.position).toBe(position)
})

test('events for the other servers of the room wait in their outboxes, the leaving server included', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const alice = a.user('alice')
  const bob = b.user('bob')
  const roomId = await a.createRoom(alice)
  await a.say(roomId, alice, 'nobody else is here')
  await joinRemotely(b, bob, a, roomId)
  expect(await a.outboxOf(b.name)).toEqual([])
  const said = await a.say(roomId, alice, 'hello')
  const kicked = await a.setMembership(roomId, alice, bob, 'leave')
  await a.say(roomId, alice, 'bob is gone')
  expect(await a.outboxOf(b.name)).toEqual([said, kicked])
  expect(await a.outboxOf(a.name)).toEqual([])
})

test('a kick and a message in one commit do not show the message to the kicked', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const roomId = await a.createRoom(a.user('alice'))
  await joinRemotely(b, b.user('bob'), a, roomId)
  const [kicked] = await Promise.all([
    a.setMembership(roomId, a.user('alice'), b.user('bob'), 'leave'),
    a.say(roomId, a.user('alice'), 'secret'),
  ])
  expect(await a.outboxOf(b.name)).toEqual([kicked])
  expect(a.rooms.roomsWithServer(b.name)).toEqual([])
})

test('invites from elsewhere are kept until the user joins or drops them', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const bob = b.user('bob')
  const roomId = await a.createRoom(a.user('alice'))
  const built = await a.rooms.buildEvent(
    { roomId, sender: a.user('alice'), type: 'm.room.member', stateKey: bob, content: { membership: 'invite' } },
    signal,
  )
  if (built.kind !== 'built') throw new Error('not built')
  const invite = {
    roomId,
    userId: bob,
    version: '12',
    event: built.pdu,
    strippedState: a.rooms.strippedStateFor(roomId, [a.user('alice')]),
  }
  expect(invite.strippedState).toHaveLength(3)
  expect(await b.rooms.putInvite(invite, signal)).toBe(true)
  await b.restart()
  expect(b.rooms.invite(roomId, bob)?.position).toBe(1)
  expect(b.rooms.invites(bob)).toHaveLength(1)
  await joinRemotely(b, bob, a, roomId)
  expect(b.rooms.invites(bob)).toEqual([])
  await b.restart()
  expect(b.rooms.invites(bob)).toEqual([])
  await b.rooms.putInvite({ ...invite, userId: b.user('eve') }, signal)
  await b.rooms.dropInvite(roomId, b.user('eve'), signal)
  expect(b.rooms.invites(b.user('eve'))).toEqual([])
  expect((await b.timeline.since(0, 100)).filter((row) => row.value.kind === 'invite')).toHaveLength(3)
})

test('neither a server nor all of them fill the memory of a user with invites', async () => {
  const b = await RoomServer.open(2)
  const bob = b.user('bob')
  const { invitesPerUserAndServerMax, inviteCharactersPerUserMax } = limits.implementation
  const inviteFrom = async (a: RoomServer, number: number, characters = 0): Promise<boolean> => {
    const event = { type: 'm.room.member', sender: a.user('alice'), content: { membership: 'invite' } } as unknown as Pdu
    const strippedState = [{ type: 'm.room.name', text: 'x'.repeat(characters) }]
    return b.rooms.putInvite({ roomId: `!${number}:${a.name}` as RoomId, userId: bob, version: '11', event, strippedState }, signal)
  }
  const [first, second] = [await RoomServer.open(3), await RoomServer.open(4)]
  for (let number = 0; number < invitesPerUserAndServerMax; number++) expect(await inviteFrom(first, number)).toBe(true)
  expect(await inviteFrom(first, invitesPerUserAndServerMax)).toBe(false)
  // An invite to the same room takes the place of the one before.
  expect(await inviteFrom(first, 0)).toBe(true)
  expect(await inviteFrom(second, 0, inviteCharactersPerUserMax)).toBe(false)
  expect(await inviteFrom(second, 0, inviteCharactersPerUserMax / 2)).toBe(true)
  expect(await inviteFrom(second, 1, inviteCharactersPerUserMax / 2)).toBe(false)
  expect(await inviteFrom(second, 1)).toBe(true)
})

test('members and the servers of a user are known across rooms', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const [alice, bob] = [a.user('alice'), b.user('bob')]
  const first = await a.createRoom(alice)
  await a.createRoom(alice)
  await joinRemotely(b, bob, a, first)
  expect(a.rooms.serversSharingRooms(alice)).toEqual(new Set([a.name, b.name]))
  expect(a.rooms.usersSharingRooms(alice)).toEqual(new Set([alice, bob]))
  expect(b.rooms.usersSharingRooms(bob)).toEqual(new Set([alice, bob]))
  expect(a.rooms.roomsWithServer(b.name)).toEqual([first])
  expect([...(a.rooms.state(first)?.members('join') ?? [])]).toHaveLength(2)
})

test('an event gets the content hash it lacks and keeps the signatures it has', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const version = roomVersion('12')
  if (version === undefined) throw new Error('unknown version')
  const roomId = await a.createRoom(a.user('alice'))
  const [create] = await a.history(roomId)
  if (create === undefined) throw new Error('no create event')
  const twice = await b.sign(create.pdu, version)
  expect(Object.keys(twice.signatures).toSorted()).toEqual([a.name, b.name].toSorted())
  expect(twice.hashes).toEqual(create.pdu.hashes)
})

test('a server whose first user leaves while its second comes, by a server that has not heard of the leave, knows of both', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const roomId = await a.createRoom(a.user('alice'))
  const [bob, ben] = [b.user('bob'), b.user('ben')]
  await joinRemotely(b, bob, a, roomId)
  const left = await b.setMembership(roomId, bob, bob, 'leave')
  await joinRemotely(b, ben, a, roomId)
  expect(b.rooms.extremities(roomId)).toContain(left)
  expect(b.rooms.state(roomId)?.membershipOf(bob)).toBe('leave')
  expect(b.rooms.state(roomId)?.membershipOf(ben)).toBe('join')
  await a.rooms.receive(roomId, (await b.stored(left)).pdu, signal)
  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
  expect(b.rooms.extremities(roomId).toSorted()).toEqual(a.rooms.extremities(roomId).toSorted())
})

test('who was let in by somebody beside being put out is heard by nobody who knew of that first, whatever their server says later', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const c = await RoomServer.open(3)
  const [alice, bob, carol] = [a.user('alice'), b.user('bob'), c.user('carol')]
  const roomId = await a.createRoom(alice)
  await joinRemotely(b, bob, a, roomId)
  const closed = sentId(await a.send(roomId, alice, { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } }))
  await b.rooms.receive(roomId, (await a.stored(closed)).pdu, signal)
  const pduOf = async (server: RoomServer, eventId: EventId) => (await server.stored(eventId)).pdu
  const kicked = await a.setMembership(roomId, alice, bob, 'leave')
  const invited = await b.setMembership(roomId, bob, carol, 'invite')
  const joined = await joinRemotely(c, carol, b, roomId)
  // Bob's server may have made the invite long after: to whoever puts him out first, it is no invite, and never becomes one.
  expect(await a.rooms.receive(roomId, await pduOf(b, invited), signal)).toMatchObject({ kind: 'soft-failed' })
  expect(await a.rooms.receive(roomId, await pduOf(b, joined), signal)).toMatchObject({ kind: 'soft-failed' })
  await c.rooms.receiveWithState(roomId, await pduOf(a, kicked), await stateBeforeFrom(a, kicked), signal)
  // By the rules of state resolution a server that has both ends lets carol stay; so only soft failure keeps out whom a banned server lets in.
  expect(c.rooms.state(roomId)?.membershipOf(carol)).toBe('join')
  const said = await c.say(roomId, carol, 'after both')
  expect(await a.rooms.receive(roomId, await pduOf(c, said), signal)).toMatchObject({ kind: 'soft-failed' })
  expect(a.rooms.state(roomId)?.membershipOf(carol)).toBeUndefined()
  expect(a.rooms.extremities(roomId)).toEqual([kicked])
})

test('a ban outlives the power of whoever made it, against events that claim to be older', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const [alice, xavier, mallory] = [a.user('alice'), a.user('xavier'), b.user('mallory')]
  const roomId = await a.createRoom(alice)
  await a.setMembership(roomId, xavier, xavier, 'join')
  const content = { users: { [xavier]: 50 } }
  await a.send(roomId, alice, { type: 'm.room.power_levels', stateKey: '', content })
  await joinRemotely(b, mallory, a, roomId)
  await a.setMembership(roomId, xavier, mallory, 'ban')
  // Resolving with a state from before the ban would take the kick first, and find that a user outside banned.
  await a.setMembership(roomId, alice, xavier, 'leave')
  const said = await b.say(roomId, mallory, 'as if before the ban')
  expect(await a.rooms.receive(roomId, (await b.stored(said)).pdu, signal)).toMatchObject({ kind: 'soft-failed' })
  expect(a.rooms.state(roomId)?.membershipOf(mallory)).toBe('ban')
})
