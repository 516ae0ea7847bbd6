import {
  addContentHash,
  makeUserId,
  type Pdu,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type ServerName,
  serverNameFromPublicKey,
  type UnhashedPdu,
  type UserId,
} from '@kith/matrix-protocol'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { describe, expect, test } from 'vitest'
import { addSignature } from './build-event.ts'
import { verifyPdu } from './verify-pdu.ts'

const version = roomVersion('12') as RoomVersion
const roomId = `!${'r'.repeat(43)}` as RoomId
const [one, other] = [1, 2].map((seed) => {
  const crypto = createNobleCrypto(new Uint8Array(32).fill(seed))
  return { crypto, server: serverNameFromPublicKey(crypto.publicKey) }
}) as [Signer, Signer]

interface Signer {
  readonly crypto: ReturnType<typeof createNobleCrypto>
  readonly server: ServerName
}

const event = {
  type: 'm.room.message',
  sender: makeUserId('alice', one.server),
  room_id: roomId,
  content: { body: 'hello' },
  origin_server_ts: 1,
  depth: 2,
  prev_events: [],
  auth_events: [],
}

const hashed = (more: Partial<UnhashedPdu> = {}): Pdu => addContentHash({ ...event, ...more }, version)
const signed = async (pdu: Pdu, by: Signer, name = by.server): Promise<Pdu> => addSignature(pdu, version, name, by.crypto)
const verify = async (pdu: Pdu) => verifyPdu(pdu, roomId, version, one.crypto)

describe('an event', () => {
  test('that its server signed is valid, without what nobody vouches for', async () => {
    const pdu = await signed(hashed(), one)
    expect(await verify({ ...pdu, unsigned: { age: 1 } })).toEqual({ kind: 'valid', eventId: expect.any(String), pdu })
  })

  test('whose content is not what was hashed is valid in its redacted form', async () => {
    const pdu = await signed(hashed(), one)
    const redacted = { ...pdu, content: {} }
    expect(await verify({ ...pdu, content: { body: 'another' } })).toEqual({ kind: 'valid', eventId: expect.any(String), pdu: redacted })
  })

  test('of another room is none', async () => {
    const pdu = await signed(hashed({ room_id: `!${'s'.repeat(43)}` as RoomId }), one)
    expect(await verify(pdu)).toMatchObject({ kind: 'invalid', reason: 'event of another room' })
  })

  test('of a server that is named by no key is none', async () => {
    const pdu = await signed(hashed({ sender: '@alice:example.org' as UserId }), one, 'example.org' as ServerName)
    expect(await verify(pdu)).toMatchObject({ kind: 'invalid', reason: 'the key of a signer is not known' })
  })

  test('needs the signature of its own server', async () => {
    expect(await verify(hashed())).toMatchObject({ kind: 'invalid', reason: 'a signature is missing' })
    expect(await verify(await signed(hashed(), other))).toMatchObject({ kind: 'invalid', reason: 'a signature is missing' })
    expect(await verify(await signed(hashed(), other, one.server))).toMatchObject({ kind: 'invalid', reason: 'a signature is wrong' })
  })

  test('needs the signatures of all who must sign', async () => {
    const content = { membership: 'join', join_authorised_via_users_server: makeUserId('bob', other.server) }
    const byOne = await signed(hashed({ type: 'm.room.member', state_key: event.sender, content }), one)
    expect(await verify(byOne)).toMatchObject({ kind: 'invalid', reason: 'a signature is missing' })
    expect(await verify(await signed(byOne, one, other.server))).toMatchObject({ kind: 'invalid', reason: 'a signature is wrong' })
    expect(await verify(await signed(byOne, other))).toMatchObject({ kind: 'valid' })
  })
})
