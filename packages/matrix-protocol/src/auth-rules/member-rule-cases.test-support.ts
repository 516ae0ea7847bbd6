import { ed25519 } from '@noble/curves/ed25519.js'
import { encodeBase64 } from '../bytes/base64.ts'
import { alice, someReference } from '../events/pdu-fixture.ts'
import type { ServerName, UserId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { signingBytes, withSignature } from '../signing/signed-json.ts'
import type { AuthOutcome } from './auth-event.ts'
import { bob, carol, dave, type RoomFixture } from './room-fixture.ts'
import { bobWith, type RuleCases, type RulesOf, withAlice } from './rule-case.test-support.ts'

type InviteRule = RulesOf<'member.invite'>
type JoinRule = RulesOf<'member.join'>

const leave = (room: RoomFixture): AuthOutcome => room.decideMember(alice, alice, 'leave')

/** Bob tries to join where this is the join rule. */
function joinUnder(room: RoomFixture, rule: string, membership?: string, more: JsonObject = {}): AuthOutcome {
  room.joinRule(rule)
  if (membership !== undefined) room.member(bob, membership)
  return room.decideMember(bob, bob, 'join', more)
}

const restrictedJoin = (room: RoomFixture, via: string): AuthOutcome =>
  joinUnder(room, 'restricted', undefined, { join_authorised_via_users_server: via })

/** Carol has joined, and may not invite. */
function carolWithoutPower(room: RoomFixture): RoomFixture {
  room.member(carol, 'join')
  room.powerLevels(withAlice(room, { invite: 50 }))
  return room
}

function firstJoin(room: RoomFixture, user: UserId): AuthOutcome {
  const { eventId } = room.createEvent
  const [reference] = [someReference('C', room.version)]
  const prevEvents = typeof reference === 'string' ? [eventId] : [[eventId, {}] as const]
  return room.decide({ type: 'm.room.member', sender: user, state_key: user, content: { membership: 'join' }, prev_events: prevEvents })
}

const joinCases: RuleCases<JoinRule> = {
  'member.join.first.allowed': {
    says: "the creator's join right after the create event is allowed",
    hit: (room) => firstJoin(room, alice),
    miss: (room) => firstJoin(room, bob),
  },
  'member.join.sender': {
    says: 'making others join is rejected',
    hit: (room) => {
      room.joinRule('public')
      return room.decideMember(alice, bob, 'join')
    },
    miss: (room) => joinUnder(room, 'public'),
  },
  'member.join.banned': {
    says: 'a join of somebody banned is rejected',
    hit: (room) => joinUnder(room, 'public', 'ban'),
    miss: (room) => joinUnder(room, 'public', 'leave'),
  },
  'member.join.invited.allowed': {
    says: 'a join by invite is allowed',
    hit: (room) => joinUnder(room, 'invite', 'invite'),
    miss: (room) => joinUnder(room, 'invite', 'leave'),
  },
  'member.join.restricted.invited.allowed': {
    says: 'a restricted join by invite is allowed',
    hit: (room) => joinUnder(room, 'restricted', 'invite'),
    miss: (room) => joinUnder(room, 'restricted', 'leave'),
  },
  'member.join.restricted.not-authorised': {
    says: 'restricted join without authorising user is rejected',
    hit: (room) => joinUnder(room, 'restricted'),
    miss: (room) => restrictedJoin(room, alice),
  },
  'member.join.restricted.authoriser-not-joined': {
    says: 'restricted join authorised by somebody who is no member is rejected',
    hit: (room) => restrictedJoin(room, dave),
    miss: (room) => restrictedJoin(room, alice),
  },
  'member.join.restricted.authoriser-power': {
    says: 'restricted join authorised by somebody who may not invite is rejected',
    hit: (room) => restrictedJoin(carolWithoutPower(room), carol),
    miss: (room) => restrictedJoin(carolWithoutPower(room), alice),
  },
  'member.join.restricted.allowed': {
    says: 'restricted join authorised by a member who may invite is allowed',
    hit: (room) => restrictedJoin(room, alice),
    miss: (room) => restrictedJoin(room, dave),
  },
  'member.join.public.allowed': {
    says: 'a join of a public room is allowed',
    hit: (room) => joinUnder(room, 'public'),
    miss: (room) => joinUnder(room, 'invite'),
  },
  'member.join.not-invited': {
    says: 'a join without invite is rejected',
    hit: (room) => joinUnder(room, 'invite', 'leave'),
    miss: (room) => joinUnder(room, 'invite', 'invite'),
  },
  'member.join.rule-unknown': {
    says: 'a join by a rule that nobody knows is rejected',
    hit: (room) => joinUnder(room, 'private', 'invite'),
    miss: (room) => joinUnder(room, 'invite', 'invite'),
  },
}

const seed = new Uint8Array(32).fill(1)
const otherSeed = new Uint8Array(32).fill(2)
const publicKey = encodeBase64(ed25519.getPublicKey(seed))

function signWith(itsSeed: Uint8Array, signed: JsonObject): JsonObject {
  return withSignature(signed, 'id.example.org' as ServerName, 'ed25519:0', ed25519.sign(signingBytes(signed), itsSeed))
}

/** An invite of Bob by Alice that came from an identity server. */
function thirdParty(room: RoomFixture, change: (signed: JsonObject) => JsonObject, sender: UserId = alice): AuthOutcome {
  room.put({ type: 'm.room.third_party_invite', state_key: 'token', content: { public_keys: [{ public_key: publicKey }] } })
  const signed = change(signWith(seed, { mxid: bob, token: 'token' }))
  return room.decideMember(sender, bob, 'invite', { third_party_invite: signed['none'] === true ? {} : { signed } })
}

const thirdPartyRight = (room: RoomFixture): AuthOutcome => thirdParty(room, (signed) => signed)

const inviteCases: RuleCases<InviteRule> = {
  'member.invite.third-party.banned': {
    says: 'an invite through an identity server of somebody banned is rejected',
    hit: (room) => {
      room.member(bob, 'ban')
      return thirdPartyRight(room)
    },
    miss: thirdPartyRight,
  },
  'member.invite.third-party.signed': {
    says: 'an invite through an identity server without its word is rejected',
    hit: (room) => thirdParty(room, () => ({ none: true })),
    miss: thirdPartyRight,
  },
  'member.invite.third-party.mxid-and-token': {
    says: 'an invite through an identity server without token is rejected',
    hit: (room) => thirdParty(room, ({ mxid, signatures }) => ({ mxid: mxid as string, signatures: signatures as JsonObject })),
    miss: thirdPartyRight,
  },
  'member.invite.third-party.mxid': {
    says: 'an invite through an identity server for another user is rejected',
    hit: (room) => thirdParty(room, (signed) => ({ ...signed, mxid: carol })),
    miss: thirdPartyRight,
  },
  'member.invite.third-party.unknown-token': {
    says: 'an invite through an identity server that nobody asked for is rejected',
    hit: (room) => thirdParty(room, (signed) => ({ ...signed, token: 'other' })),
    miss: thirdPartyRight,
  },
  'member.invite.third-party.sender': {
    says: 'an invite through an identity server in the name of another is rejected',
    hit: (room) => thirdParty(room, (signed) => signed, carol),
    miss: thirdPartyRight,
  },
  'member.invite.third-party.allowed': {
    says: 'an invite signed by an identity server that the inviter named is allowed',
    hit: thirdPartyRight,
    miss: (room) => thirdParty(room, (signed) => ({ ...signed, signatures: {} })),
  },
  'member.invite.third-party.signature': {
    says: 'an invite signed by another identity server is rejected',
    hit: (room) => thirdParty(room, () => signWith(otherSeed, { mxid: bob, token: 'token' })),
    miss: thirdPartyRight,
  },
  'member.invite.sender-not-joined': {
    says: 'an invite by somebody who is no member is rejected',
    hit: (room) => room.decideMember(bob, carol, 'invite'),
    miss: (room) => room.decideMember(alice, carol, 'invite'),
  },
  'member.invite.already-joined': {
    says: 'an invite of a member is rejected',
    hit: (room) => inviteOf(room, 'join'),
    miss: (room) => inviteOf(room, 'leave'),
  },
  'member.invite.banned': {
    says: 'an invite of somebody banned is rejected',
    hit: (room) => inviteOf(room, 'ban'),
    miss: (room) => inviteOf(room, 'leave'),
  },
  'member.invite.allowed': {
    says: 'an invite with the power to invite is allowed',
    hit: (room) => bobWith(room, 50, { invite: 50 }).decideMember(bob, carol, 'invite'),
    miss: (room) => bobWith(room, 49, { invite: 50 }).decideMember(bob, carol, 'invite'),
  },
  'member.invite.power': {
    says: 'an invite without the power to invite is rejected',
    hit: (room) => bobWith(room, 49, { invite: 50 }).decideMember(bob, carol, 'invite'),
    miss: (room) => bobWith(room, 50, { invite: 50 }).decideMember(bob, carol, 'invite'),
  },
}

function inviteOf(room: RoomFixture, membership: string): AuthOutcome {
  room.member(bob, membership)
  return room.decideMember(alice, bob, 'invite')
}

export const memberCases: RuleCases<
  JoinRule | InviteRule | 'member.state-key' | 'member.membership' | 'member.authorised-via' | 'member.unknown'
> = {
  ...joinCases,
  ...inviteCases,
  'member.state-key': {
    says: "nobody's membership is rejected",
    hit: (room) => room.decide({ type: 'm.room.member', content: { membership: 'leave' } }),
    miss: leave,
  },
  'member.membership': {
    says: 'a membership event without membership is rejected',
    hit: (room) => room.decide({ type: 'm.room.member', state_key: alice }),
    miss: leave,
  },
  'member.authorised-via': {
    says: 'a join that nobody with a server could have signed for is rejected',
    hit: (room) => restrictedJoin(room, 'nobody'),
    miss: (room) => restrictedJoin(room, alice),
  },
  'member.unknown': {
    says: 'a membership that nobody knows is rejected',
    hit: (room) => room.decideMember(alice, alice, 'elsewhere'),
    miss: leave,
  },
}
