import { makeUserId, type RoomId, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { SeededRandom } from '@kith/testkit/seeded-random'
import { silentLog } from '@kith/testkit/silent-log'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import { expect, test } from 'vitest'
import { Timeline } from '../timeline/index.ts'
import { Rooms } from './rooms.ts'

const signal = new AbortController().signal

test('smoke', async () => {
  const crypto = createNobleCrypto(new SeededRandom(1).bytes(32))
  const serverName = serverNameFromPublicKey(crypto.publicKey)
  const storage = openMemoryStorage()
  const timeline = await Timeline.open(storage)
  const ports = { storage, crypto, clock: new VirtualClock(), random: new SeededRandom(2), log: silentLog }
  const rooms = await Rooms.open(ports, timeline, serverName)
  const alice = makeUserId('alice', serverName)
  const created = await rooms.create(
    {
      creator: alice,
      createContent: {},
      events: [
        { type: 'm.room.member', stateKey: alice, content: { membership: 'join' } },
        { type: 'm.room.power_levels', stateKey: '', content: {} },
        { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
      ],
    },
    signal,
  )
  expect(created).toMatchObject({ kind: 'created' })
  const roomId = (created as { roomId: RoomId }).roomId
  const sent = await Promise.all(
    Array.from({ length: 200 }, async (_, i) =>
      rooms.send({ roomId, sender: alice, type: 'm.room.message', content: { body: `${i}` } }, signal),
    ),
  )
  expect(sent.every((s) => s.kind === 'sent')).toBe(true)
  const page = await rooms.page(roomId, { from: undefined, direction: 'b', limit: 500 })
  expect(page.events).toHaveLength(204)
  expect(page.end).toBeUndefined()
  const again = await Rooms.open(ports, await Timeline.open(storage), serverName)
  expect(again.state(roomId)?.membershipOf(alice)).toBe('join')
})
