import { type EventId, roomVersion, type UnhashedPdu } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { RoomServer, signal } from './room-servers.test-support.ts'

const version = roomVersion('12')!

async function besideJoins(count: number) {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const roomId = await a.createRoom(a.user('alice'))
  const root = a.rooms.extremities(roomId)
  const said: EventId[] = []
  for (let index = 0; index < count; index++) said.push(await a.say(roomId, a.user('alice'), `${index}`))
  /** Bob's membership, as if his server knew of nothing that was said. */
  const change = async (membership: string, prevEvents: readonly EventId[]): Promise<EventId> => {
    await a.clock.advance(1000)
    const draft = { roomId, sender: b.user('bob'), type: 'm.room.member', stateKey: b.user('bob'), content: { membership } }
    const template = await a.rooms.makeTemplate(draft, signal)
    if (template.kind !== 'template') throw new Error(template.kind)
    const pdu = await b.sign({ ...(template.event as unknown as UnhashedPdu), prev_events: prevEvents }, version)
    const outcome = await a.rooms.receive(roomId, pdu, signal)
    if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    return outcome.eventId
  }
  return { a, b, roomId, root, said, change }
}

test('what was said beside a join waits for the server that joined, once, however often it leaves and comes back', async () => {
  const { a, b, root, said, change } = await besideJoins(3)
  const joined = await change('join', root)
  expect(await a.outboxOf(b.name)).toEqual(said)
  await change('leave', [joined])
  await change('join', root)
  expect(await a.outboxOf(b.name)).toEqual(said)
})

test('only so much of it is looked for', async () => {
  const { besideJoinWalkedMax } = limits.implementation
  const { a, b, root, said, change } = await besideJoins(besideJoinWalkedMax + 50)
  await change('join', root)
  const waiting = await a.outboxOf(b.name)
  expect(waiting.length).toBeLessThanOrEqual(besideJoinWalkedMax)
  expect(waiting).toEqual(said.slice(-waiting.length))
})

test('a join that follows all is owed nothing', async () => {
  const { a, b, roomId, change } = await besideJoins(3)
  await change('join', a.rooms.extremities(roomId))
  expect(await a.outboxOf(b.name)).toEqual([])
})
