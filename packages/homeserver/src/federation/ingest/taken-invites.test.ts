import { openMemoryStorage } from '@kith/storage/memory'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { signJson } from '../signed-json.ts'
import { ask, twoServersAndRelay } from '../settings.test-support.ts'
import { never } from '../simulated-server.test-support.ts'
import { INVITE_EDU_TYPE, inviteBody } from '../invite-body.ts'
import { TakenInvites } from './taken-invites.ts'

const invite = (hash: string) => ({ event: { hashes: { sha256: hash } } })

test('an invite that was declined does not come back, though its transaction is long forgotten', async () => {
  const { world, relay, alice, bob } = await twoServersAndRelay()
  const roomId = await alice.createRoom()
  await alice.rooms.send(
    { roomId, sender: alice.user, type: 'm.room.member', stateKey: bob.user, content: { membership: 'invite' } },
    never,
  )
  const event = alice.rooms.state(roomId)?.get('m.room.member', bob.user)?.pdu
  const version = alice.rooms.version(roomId)
  const state = alice.rooms.state(roomId)
  if (event === undefined || version === undefined || state === undefined) throw new Error('The room has no invite')
  const deliver = async (txnId: string): Promise<void> => {
    const edus = [{ edu_type: INVITE_EDU_TYPE, content: inviteBody(event, version, state) }]
    const body = { origin: alice.server, origin_server_ts: 0, destination: bob.server, transaction_id: txnId, pdus: [], edus }
    const signed = await signJson(alice.identity.crypto, alice.server, body)
    const stored = await ask(world, world.createIdentity(), relay.server, 'PUT', `v1/send_relay/${txnId}/@u:${bob.server}`, signed)
    expect(stored.status).toBe(200)
    await world.run(10_000)
  }
  await deliver('first')
  expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
  await bob.rooms.dropInvite(roomId, bob.user, never)
  await bob.kill()
  await bob.start()
  await deliver('replayed')
  expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
})

test('the newest of each server are remembered, and no more', async () => {
  const storage = openMemoryStorage()
  const taken = new TakenInvites(storage)
  const origin = new SimulatedWorld(1).createIdentity().server
  const { takenInvitesPerOriginMax } = limits.implementation
  for (let number = 0; number <= takenInvitesPerOriginMax; number++) await taken.remember(origin, invite(`${number}`), number)
  expect(await taken.has(origin, invite('0'))).toBe(false)
  expect(await taken.has(origin, invite('1'))).toBe(true)
  expect(await taken.has(origin, invite(`${takenInvitesPerOriginMax}`))).toBe(true)
  expect(await taken.has(origin, {})).toBe(false)
})
