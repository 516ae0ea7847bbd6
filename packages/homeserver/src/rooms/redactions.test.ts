import { type EventId, eventIdOf, type Pdu, type RoomId, roomVersion, type UnhashedPdu } from '@kith/matrix-protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { catchUp, joinRemotely, RoomServer, sentId, signal } from './room-servers.test-support.ts'

describe.each(['11', '12', '10'])('room version %s', (version) => {
  let a: RoomServer
  let b: RoomServer
  let roomId: RoomId

  beforeEach(async () => {
    a = await RoomServer.open(1)
    b = await RoomServer.open(2)
    roomId = await a.createRoom(a.user('alice'), { version })
    await joinRemotely(b, b.user('bob'), a, roomId)
  })

  async function redact(server: RoomServer, user: string, redacts: EventId): Promise<EventId> {
    return sentId(await server.send(roomId, server.user(user), { type: 'm.room.redaction', content: {}, redacts }))
  }

  test('a redaction by somebody with the power takes the content everywhere, also when it comes first', async () => {
    const said = await b.say(roomId, b.user('bob'), 'unwanted')
    await catchUp(a, b, roomId)
    const redaction = await redact(a, 'alice', said)
    expect(await a.stored(said)).toMatchObject({ redactedBy: redaction, pdu: { content: {} }, position: expect.any(Number) })
    await catchUp(b, a, roomId)
    expect((await b.stored(said)).pdu.content).toEqual({})
    await b.restart()
    expect((await b.history(roomId)).find((event) => event.eventId === said)?.redactedBy).toBe(redaction)
  })

  test('a redaction whose target is not known yet waits for it', async () => {
    const said = await a.say(roomId, a.user('alice'), 'unwanted')
    const { pdu } = await a.stored(said)
    const redaction = await redact(a, 'alice', said)
    const carol = await RoomServer.open(3)
    const joined = await joinRemotely(carol, carol.user('carol'), a, roomId)
    const later = await a.stored(redaction)
    expect(await carol.rooms.appendHistory(roomId, [later.pdu], [], signal)).toEqual(new Map([[redaction, { kind: 'accepted' }]]))
    await carol.restart()
    await carol.rooms.appendHistory(roomId, [pdu], [], signal)
    expect(await carol.stored(said)).toMatchObject({ redactedBy: redaction, pdu: { content: {} } })
    expect(await carol.rooms.event(joined)).toBeDefined()
  })

  test('a redaction that comes before its target is waited for also when both are stored by one commit', async () => {
    const template = await a.rooms.makeTemplate(
      { roomId, sender: a.user('alice'), type: 'm.room.message', content: { body: 'unwanted' } },
      signal,
    )
    if (template.kind !== 'template') throw new Error(template.kind)
    const target = await a.sign(template.event as unknown as UnhashedPdu, roomVersion(version)!)
    const targetId = eventIdOf(target, roomVersion(version)!)
    const redaction = await redact(a, 'alice', targetId)
    const outcomes = await b.rooms.receiveMany(roomId, [(await a.stored(redaction)).pdu, target], signal)
    expect([...outcomes.values()].map(({ kind }) => kind)).toEqual(['accepted', 'accepted'])
    expect(await b.stored(targetId)).toMatchObject({ redactedBy: redaction, pdu: { content: {} } })
    await b.restart()
    expect(await b.stored(targetId)).toMatchObject({ redactedBy: redaction, pdu: { content: {} } })
  })

  test("a redaction without the power is accepted and does nothing; of one's own server it works", async () => {
    const byAlice = await a.say(roomId, a.user('alice'), 'stays')
    await catchUp(b, a, roomId)
    await redact(b, 'bob', byAlice)
    const byBob = await b.say(roomId, b.user('bob'), 'goes')
    await redact(b, 'bob', byBob)
    await catchUp(a, b, roomId)
    for (const server of [a, b]) {
      expect((await server.stored(byAlice)).pdu.content).toEqual({ body: 'stays' })
      expect((await server.stored(byBob)).pdu.content).toEqual({})
    }
  })

  test('the current state shows the redacted form', async () => {
    const topic = sentId(await a.send(roomId, a.user('alice'), { type: 'm.room.topic', stateKey: '', content: { topic: 'bad' } }))
    await redact(a, 'alice', topic)
    expect(a.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({})
    await a.restart()
    expect(a.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({})
    const create = a.rooms.state(roomId)?.get('m.room.create', '') as { eventId: EventId; pdu: Pdu }
    await redact(a, 'alice', create.eventId)
    expect(a.rooms.state(roomId)?.get('m.room.create', '')?.redactedBy).toBeUndefined()
  })

  test('an event and its redaction in one commit', async () => {
    const job = a.say(roomId, a.user('alice'), 'x')
    const said = await job
    await Promise.all([redact(a, 'alice', said), a.say(roomId, a.user('alice'), 'y')])
    expect((await a.stored(said)).redactedBy).toBeDefined()
  })
})
