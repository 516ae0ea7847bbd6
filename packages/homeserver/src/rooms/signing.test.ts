import { serverNameFromPublicKey, makeUserId } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { SeededRandom } from '@kith/testkit/seeded-random'
import { silentLog } from '@kith/testkit/silent-log'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import { expect, test } from 'vitest'
import type { Crypto } from '../ports/index.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { Timeline } from '../timeline/index.ts'
import { sentId, signal } from './room-servers.test-support.ts'
import { Rooms } from './rooms.ts'
import { verifyPdu } from './verify-pdu.ts'

/** A room whose server signs as it is told. */
async function signingRoom(sign: (made: () => ReturnType<Crypto['sign']>) => ReturnType<Crypto['sign']>) {
  const crypto = createNobleCrypto(new SeededRandom(1).bytes(32))
  const serverName = serverNameFromPublicKey(crypto.publicKey)
  const storage = openMemoryStorage({ tableNames: homeserverTableNames })
  const timeline = await Timeline.open(storage)
  const watched: Crypto = { ...crypto, sign: (message) => sign(() => crypto.sign(message)) }
  const ports = { storage, crypto: watched, clock: new VirtualClock(1_750_000_000_000), random: new SeededRandom(2), log: silentLog }
  const rooms = await Rooms.open(ports, timeline, serverName)
  const sender = makeUserId('alice', serverName)
  const events = [{ type: 'm.room.member', stateKey: sender, content: { membership: 'join' } }]
  const created = await rooms.create({ creator: sender, createContent: {}, events }, signal)
  if (created.kind !== 'created') throw new Error(`room was not created: ${created.kind}`)
  const { roomId } = created
  const say = async (body: string) => rooms.send({ roomId, sender, type: 'm.room.message', content: { body } }, signal)
  return { rooms, roomId, timeline, crypto, say }
}

test('what is sent at one moment is signed side by side, each on the one before, and stored with its signature', async () => {
  const count = 5
  const all = Promise.withResolvers<void>()
  let waiting = 0
  let waitsForAll = false
  const { rooms, roomId, crypto, say } = await signingRoom(async (made) => {
    if (!waitsForAll) return made()
    if (++waiting === count) all.resolve()
    await all.promise
    return made()
  })
  waitsForAll = true
  const outcomes = await Promise.all(Array.from({ length: count }, (_, number) => say(`${number}`)))
  const events = (await rooms.events(outcomes.map(sentId))).filter((event) => event !== undefined)
  expect(events.map(({ pdu }) => pdu.prev_events).slice(1)).toEqual(events.slice(0, -1).map(({ eventId }) => [eventId]))
  const version = rooms.version(roomId)
  if (version === undefined) throw new Error('the room has no version')
  for (const { pdu, eventId } of events) expect(await verifyPdu(pdu, roomId, version, crypto)).toMatchObject({ kind: 'valid', eventId })
})

test('without its signature nothing is stored or told to be sent, and the room goes on', async () => {
  let fails = false
  const { rooms, roomId, timeline, say } = await signingRoom(async (made) => {
    if (fails) throw new Error('the key is gone')
    return made()
  })
  const before = { heads: rooms.extremities(roomId), rows: await timeline.since(0, 100) }
  fails = true
  await expect(say('unsigned')).rejects.toThrow('the key is gone')
  expect({ heads: rooms.extremities(roomId), rows: await timeline.since(0, 100) }).toEqual(before)
  fails = false
  const sent = sentId(await say('signed'))
  expect(rooms.extremities(roomId)).toEqual([sent])
})
