import { decodeBase64, decodeBase64Url } from '../bytes/base64.ts'
import { CanonicalJsonError } from '../json/canonical-json.ts'
import { type JsonObject, isJsonObject, ownMember, ownObject, ownString } from '../json/json-value.ts'
import { protocolLimits } from '../limits.ts'
import { signingBytes } from '../signing/signed-json.ts'
import { verifyEd25519 } from '../signing/verify-ed25519.ts'
import { allowed, type AuthOutcome, denied } from './auth-event.ts'
import type { MemberChange } from './member-change.ts'
import type { RoomForRules } from './room-for-rules.ts'

const { thirdPartyInviteChecksMax } = protocolLimits.implementation

/** Rule 5.4: who may invite whom. @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules */
export function authoriseInvite(change: MemberChange, room: RoomForRules): AuthOutcome {
  const { pdu, sender, target } = change
  // 5.4.1
  if (ownMember(pdu.content, 'third_party_invite') !== undefined) return authoriseThirdPartyInvite(change, room)
  // 5.4.2
  if (room.membershipOf(sender) !== 'join') return denied('member.invite.sender-not-joined')
  // 5.4.3
  const targetMembership = room.membershipOf(target)
  if (targetMembership === 'join') return denied('member.invite.already-joined')
  if (targetMembership === 'ban') return denied('member.invite.banned')
  // 5.4.4, 5.4.5
  return room.may(sender, 'invite') ? allowed('member.invite.allowed') : denied('member.invite.power')
}

/** Rule 5.4.1: an invite to an address, which an identity server turned into a user. */
function authoriseThirdPartyInvite({ pdu, sender, target }: MemberChange, room: RoomForRules): AuthOutcome {
  // 5.4.1.1
  if (room.membershipOf(target) === 'ban') return denied('member.invite.third-party.banned')
  // 5.4.1.2
  const signed = ownObject(ownObject(pdu.content, 'third_party_invite'), 'signed')
  if (signed === undefined) return denied('member.invite.third-party.signed')
  // 5.4.1.3
  const mxid = ownString(signed, 'mxid')
  const token = ownString(signed, 'token')
  if (mxid === undefined || token === undefined) return denied('member.invite.third-party.mxid-and-token')
  // 5.4.1.4
  if (mxid !== target) return denied('member.invite.third-party.mxid')
  // 5.4.1.5
  const invite = room.event('m.room.third_party_invite', token)
  if (invite === undefined) return denied('member.invite.third-party.unknown-token')
  // 5.4.1.6
  if (sender !== invite.sender) return denied('member.invite.third-party.sender')
  // 5.4.1.7, 5.4.1.8
  const isSigned = isSignedByAny(signed, publicKeysOf(invite.content))
  return isSigned ? allowed('member.invite.third-party.allowed') : denied('member.invite.third-party.signature')
}

function publicKeysOf(content: JsonObject): Uint8Array[] {
  const listed = ownMember(content, 'public_keys')
  const values = Array.isArray(listed) ? listed.map((entry) => ownMember(isJsonObject(entry) ? entry : undefined, 'public_key')) : []
  return [ownMember(content, 'public_key'), ...values].flatMap((value) => {
    // Identity servers publish their keys in either alphabet.
    const key = typeof value === 'string' ? (decodeBase64(value) ?? decodeBase64Url(value)) : undefined
    return key === undefined ? [] : [key]
  })
}

function isSignedByAny(signed: JsonObject, publicKeys: readonly Uint8Array[]): boolean {
  const message = signingBytesOf(signed)
  if (message === undefined) return false
  let checks = 0
  for (const signature of ed25519SignaturesOf(signed)) {
    for (const key of publicKeys) {
      if (++checks > thirdPartyInviteChecksMax) return false
      if (verifyEd25519(key, signature, message)) return true
    }
  }
  return false
}

function ed25519SignaturesOf(signed: JsonObject): Uint8Array[] {
  return Object.values(ownObject(signed, 'signatures') ?? {})
    .filter(isJsonObject)
    .flatMap((ofServer) => Object.entries(ofServer))
    .flatMap(([keyId, value]) => {
      const signature = keyId.startsWith('ed25519:') && typeof value === 'string' ? decodeBase64(value) : undefined
      return signature === undefined ? [] : [signature]
    })
}

function signingBytesOf(signed: JsonObject): Uint8Array | undefined {
  try {
    return signingBytes(signed)
  } catch (error) {
    if (error instanceof CanonicalJsonError) return undefined
    throw error
  }
}
