import { ownString } from '@kith/matrix-protocol'
import type { RemoteRefusal, Unreachable } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { PeerAnswer } from '../peer-client.ts'

export type RemoteFailure = RemoteRefusal | Unreachable

/** These say that this server asked wrongly, which is no fault of the client's request. */
const OWN_FAULTS = new Set(['M_MISSING_PARAM', 'M_INVALID_PARAM'])

export function failureOf(answer: Exclude<PeerAnswer, { kind: 'ok' }>): RemoteFailure {
  if (answer.kind !== 'refused' || OWN_FAULTS.has(answer.errcode)) return { kind: 'unreachable', reason: answer.reason }
  const { status, errcode, reason } = answer
  const roomVersion = errcode === 'M_INCOMPATIBLE_ROOM_VERSION' ? ownString(answer.members, 'room_version') : undefined
  const named = roomVersion !== undefined && roomVersion.length <= limits.implementation.roomVersionCharactersMax
  return { kind: 'refused', status, errcode, reason, ...(named ? { roomVersion } : {}) }
}

/** Whether the other server does not know the endpoint at all: it may know an older one. */
export function isUnrecognized(answer: PeerAnswer): boolean {
  return answer.kind === 'refused' && (answer.status === 404 || answer.status === 405) && answer.errcode === 'M_UNRECOGNIZED'
}

/** What came of asking several servers, told by the answer that says most. */
export class Tries {
  #best: RemoteFailure = { kind: 'unreachable', reason: 'No server of the room is known' }

  add(failure: RemoteFailure): void {
    // Of equals the first counts.
    if (weightOf(failure) > weightOf(this.#best)) this.#best = failure
  }

  outcome(): RemoteFailure {
    return this.#best
  }
}

/** A refusal by the rules of the room is an answer; that one server cannot help says little of the others. */
function weightOf(failure: RemoteFailure): number {
  if (failure.kind !== 'refused') return failure.reason === 'No server of the room is known' ? 0 : 1
  switch (failure.errcode) {
    case 'M_FORBIDDEN':
      return 5
    case 'M_INCOMPATIBLE_ROOM_VERSION':
      return 4
    case 'M_UNABLE_TO_GRANT_JOIN':
    case 'M_UNABLE_TO_AUTHORISE_JOIN':
      return 3
    default:
      return 2
  }
}
