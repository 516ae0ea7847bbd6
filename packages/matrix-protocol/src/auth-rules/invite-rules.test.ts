import { ed25519 } from '@noble/curves/ed25519.js'
import { describe, expect, test } from 'vitest'
import { encodeBase64, encodeBase64Url } from '../bytes/base64.ts'
import { alice } from '../events/pdu-fixture.ts'
import type { ServerName } from '../ids/ids.ts'
import { type JsonObject, type JsonValue, ownObject, ownString } from '../json/json-value.ts'
import { type RoomVersion, roomVersion } from '../room-versions/room-version.ts'
import { signingBytes, withSignature } from '../signing/signed-json.ts'
import { bob, carol, dave, RoomFixture } from './room-fixture.ts'

const v12 = roomVersion('12') as RoomVersion
const versions = ['10', '11', '12'].map((id) => roomVersion(id) as RoomVersion)

describe('rule 5.4, invites', () => {
  test.each(versions)('by members only, version $id', (version) => {
    const room = new RoomFixture(version)
    // 5.4.2
    expect(room.tryMember(bob, carol, 'invite')).toBe('member.invite.sender-not-joined')
    room.member(bob, 'join')
    // 5.4.4
    expect(room.tryMember(bob, carol, 'invite')).toBe('allowed')
  })

  test('5.4.3 of those who are not in and not banned', () => {
    const room = new RoomFixture(v12)
    for (const [membership, outcome] of [
      ['join', 'member.invite.already-joined'],
      ['ban', 'member.invite.banned'],
      ['leave', 'allowed'],
      ['knock', 'allowed'],
      ['invite', 'allowed'],
    ] as const) {
      room.member(bob, membership)
      expect(room.tryMember(alice, bob, 'invite')).toBe(outcome)
    }
  })

  test('5.4.4 with the power to invite', () => {
    const room = new RoomFixture(v12)
    room.member(bob, 'join')
    room.powerLevels({ invite: 1 })
    expect(room.tryMember(bob, carol, 'invite')).toBe('member.invite.power')
    room.powerLevels({ invite: 1, users: { [bob]: 1 } })
    expect(room.tryMember(bob, carol, 'invite')).toBe('allowed')
  })
})

const invite = (room: RoomFixture, thirdPartyInvite: JsonValue, sender = alice): string =>
  room.tryMember(sender, bob, 'invite', { more: { third_party_invite: thirdPartyInvite } })

describe('rule 5.4.1, invites of an address', () => {
  const seed = new Uint8Array(32).fill(1)
  const publicKey = ed25519.getPublicKey(seed)
  const identityServer = 'id.example.org' as ServerName

  function sign(object: JsonObject): JsonObject {
    return withSignature(object, identityServer, 'ed25519:0', ed25519.sign(signingBytes(object), seed))
  }

  function roomInviting(content: JsonObject = { public_key: encodeBase64(publicKey) }): RoomFixture {
    const room = new RoomFixture(v12)
    room.put({ type: 'm.room.third_party_invite', state_key: 'token', content })
    return room
  }

  const signed = sign({ mxid: bob, token: 'token' })
  test('5.4.1.7 are allowed with the signature of the published key', () => expect(invite(roomInviting(), { signed })).toBe('allowed'))
  test('5.4.1.7 or of one of several, in either alphabet', () => {
    const keys = [{ public_key: 'AAAA' }, 5, {}, { public_key: encodeBase64Url(publicKey) }]
    expect(invite(roomInviting({ public_keys: keys }), { signed })).toBe('allowed')
  })
  test('5.4.1.7 whatever else is signed beside it', () => {
    const more = { a: { 'ed25519:0': 'no base64!', 'ed25519:1': 'AAAA' }, ...(signed['signatures'] as JsonObject) }
    expect(invite(roomInviting(), { signed: { ...signed, signatures: more } })).toBe('allowed')
  })
  test('the sender may have left since', () => {
    const room = roomInviting()
    room.member(alice, 'leave')
    expect(invite(room, { signed })).toBe('allowed')
  })

  test('5.4.1.1 not of the banned', () => {
    const room = roomInviting()
    room.member(bob, 'ban')
    expect(invite(room, { signed })).toBe('member.invite.third-party.banned')
  })
  test.each([{}, { signed: 5 }, 'x', null])('5.4.1.2 not without what was signed: %j', (thirdPartyInvite) => {
    expect(invite(roomInviting(), thirdPartyInvite)).toBe('member.invite.third-party.signed')
  })
  test.each([{ mxid: bob }, { token: 'token' }, { mxid: 5, token: 'token' }])('5.4.1.3 not without user and token: %j', (incomplete) => {
    expect(invite(roomInviting(), { signed: sign(incomplete) })).toBe('member.invite.third-party.mxid-and-token')
  })
  test('5.4.1.4 not for another user', () => {
    expect(invite(roomInviting(), { signed: sign({ mxid: dave, token: 'token' }) })).toBe('member.invite.third-party.mxid')
  })
  test('5.4.1.5 not with a token that nobody gave', () => {
    expect(invite(roomInviting(), { signed: sign({ mxid: bob, token: 'other' }) })).toBe('member.invite.third-party.unknown-token')
  })
  test('5.4.1.6 not in the name of somebody else', () => {
    const room = roomInviting()
    room.member(carol, 'join')
    expect(invite(room, { signed }, carol)).toBe('member.invite.third-party.sender')
  })
  test('5.4.1.8 not without a valid signature', () => {
    const denied = 'member.invite.third-party.signature'
    expect(invite(roomInviting(), { signed: { ...signed, extra: 1 } })).toBe(denied)
    expect(invite(roomInviting(), { signed: { ...signed, signatures: {} } })).toBe(denied)
    expect(invite(roomInviting(), { signed: { ...signed, signatures: { a: 5, b: { 'ed25519:0': 5 } } } })).toBe(denied)
    expect(invite(roomInviting({ public_key: encodeBase64(new Uint8Array(32)) }), { signed })).toBe(denied)
    expect(invite(roomInviting({}), { signed })).toBe(denied)
    expect(invite(roomInviting({ public_key: 5 }), { signed })).toBe(denied)
    expect(invite(roomInviting({ public_key: 'no base64!' }), { signed })).toBe(denied)
    expect(invite(roomInviting(), { signed: { ...signed, signatures: { a: { 'ed25519:0': 'no base64!' } } } })).toBe(denied)
    expect(invite(roomInviting(), { signed: { ...signed, fraction: 0.5 } })).toBe(denied)
    const otherAlgorithm = Object.values(signed['signatures'] as JsonObject).map((ofServer) => ({
      'other:0': (ofServer as JsonObject)['ed25519:0'] ?? '',
    }))
    expect(invite(roomInviting(), { signed: { ...signed, signatures: { a: otherAlgorithm[0] ?? {} } } })).toBe(denied)
  })
  test('a flood of signatures is not checked to its end', () => {
    const right = ownString(ownObject(ownObject(signed, 'signatures'), identityServer), 'ed25519:0') ?? ''
    const withWrongBefore = (count: number): JsonObject => {
      const wrong = Array.from({ length: count }, (_, index) => [`ed25519:a${index}`, 'AAAA'] as const)
      return { ...signed, signatures: { a: Object.fromEntries(wrong), b: { 'ed25519:0': right } } }
    }
    expect(invite(roomInviting(), { signed: withWrongBefore(31) })).toBe('allowed')
    expect(invite(roomInviting(), { signed: withWrongBefore(32) })).toBe('member.invite.third-party.signature')
  })
})
