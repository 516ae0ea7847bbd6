import type { EventId, JsonObject, RoomId, ServerName } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { timelineTables } from '../../timeline/index.ts'
import { hostileSetting, setState } from '../hostile/hostile-setting.test-support.ts'
import { never, type SimulatedServer } from '../simulated-server.test-support.ts'
import { MISSING_EDU_TYPE } from './missing-by-mail.ts'

/** Mallory, a member, asks alice by mail, and takes nothing that comes. */
async function asking() {
  const setting = await hostileSetting()
  const { world, alice, mallory, roomId } = setting
  mallory.answering(() => new Response('{}', { status: 500 }))
  const ids: EventId[] = []
  for (let index = 0; index < 2 * limits.implementation.mailedRowsWaitingMax; index++)
    ids.push((await alice.send(roomId, `${index}`)) as EventId)
  await world.run(1_000)
  const rows = async () => {
    const found = await alice.storage.range(timelineTables.outbox, { prefix: [mallory.server], limit: 1_000 })
    return found.flatMap(({ value: { item } }) => (item.kind === 'pdu' && item.asVisible === true ? [item.eventId] : []))
  }
  let count = 0
  const ask = async (content: JsonObject) => {
    const body = { origin: mallory.server, origin_server_ts: 1, pdus: [], edus: [{ edu_type: MISSING_EDU_TYPE, content }] }
    return (await mallory.call(alice.server, 'PUT', `/v1/send/question${count++}`, body)).status
  }
  const clear = async () => {
    const found = await alice.storage.range(timelineTables.outbox, { prefix: [mallory.server], limit: 1_000 })
    await alice.storage.commit(found.map(({ key }) => ({ kind: 'delete' as const, table: timelineTables.outbox.name, key })))
  }
  await clear()
  return { ...setting, ids, rows, ask, clear, question: { room_id: roomId, earliest: [], latest: ids.slice(-1), wanted: [] } }
}

test('a member that asks by mail is sent so many events at a time, none twice, and no more while it takes none', async () => {
  const { ids, rows, ask, question } = await asking()
  const { mailedAnswerEventsMax, mailedRowsWaitingMax } = limits.implementation
  expect(await ask(question)).toBe(200)
  expect(await rows()).toEqual(ids.slice(-1 - mailedAnswerEventsMax, -1).toReversed())
  for (let again = 0; again < 10; again++) expect(await ask(question)).toBe(200)
  expect(await rows()).toHaveLength(mailedAnswerEventsMax)
  for (let back = mailedAnswerEventsMax; back < ids.length; back += mailedAnswerEventsMax)
    await ask({ ...question, latest: ids.slice(-1 - back, -back), wanted: [] })
  expect((await rows()).length).toBeLessThan(mailedRowsWaitingMax + mailedAnswerEventsMax)
  expect(new Set(await rows()).size).toBe((await rows()).length)
})

test('what is no question is dropped', async () => {
  const { rows, ask, question } = await asking()
  const bad: JsonObject[] = [
    {},
    { ...question, room_id: 1 },
    { ...question, room_id: '!unknown' },
    { ...question, latest: 'x' },
    { ...question, wanted: ['no event id'] },
    { ...question, earliest: Array.from({ length: 1_000 }, () => question.latest[0] ?? '') },
  ]
  for (const content of bad) expect(await ask(content)).toBe(200)
  expect(await rows()).toEqual([])
})

test.each(['in the room', 'allowed to act in it'])('who is not %s is sent nothing', async (what) => {
  const { world, alice, mallory, roomId, rows, ask, clear, question } = await asking()
  if (what === 'in the room') await setState(alice, roomId, 'm.room.member', mallory.user, { membership: 'leave' })
  else await shutOut(alice, roomId, mallory.server)
  await world.run(1_000)
  await clear()
  await ask(question)
  expect(await rows()).toEqual([])
})

test.each([
  ['a member', 1],
  ['a stranger', 0],
])('%s that brings what builds on nothing, and is away then, is asked about it %i times', async (who, times) => {
  const { world, alice, mallory, room, roomId } = await hostileSetting()
  const [, upon] = await room.chain(2)
  if (who === 'a stranger') await setState(alice, roomId, 'm.room.member', mallory.user, { membership: 'leave' })
  await world.run(1_000)
  await mallory.send(alice.server, upon === undefined ? [] : [upon.pdu])
  world.network.cut(alice.server, mallory.server)
  await world.run(3 * 3_600_000)
  const rows = await alice.storage.range(timelineTables.outbox, { prefix: [mallory.server], limit: 1_000 })
  expect(rows.filter(({ value: { item } }) => item.kind === 'edu' && item.type === MISSING_EDU_TYPE)).toHaveLength(times)
})

async function shutOut(alice: SimulatedServer, roomId: RoomId, server: ServerName): Promise<void> {
  const content = { allow: ['*'], deny: [server] }
  await alice.rooms.send({ roomId, sender: alice.user, type: 'm.room.server_acl', stateKey: '', content }, never)
}
