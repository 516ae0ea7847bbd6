import { type EventId, unreachable } from '@kith/matrix-protocol'
import { MatrixError } from '../matrix-error.ts'
import type { SendOutcome } from '../rooms/index.ts'
import type { RemoteRefusal, Unreachable } from './federation-access.ts'

/** @throws MatrixError for everything but `sent`. */
export function sentEventId(outcome: SendOutcome): EventId {
  switch (outcome.kind) {
    case 'sent':
      return outcome.eventId
    case 'denied':
      throw new MatrixError(403, 'M_FORBIDDEN', `The rules of the room forbid this: ${outcome.rule}`)
    case 'unknown-room':
      throw new MatrixError(403, 'M_FORBIDDEN', 'You are not in this room')
    case 'too-large':
      throw new MatrixError(413, 'M_TOO_LARGE', 'The event would be too large')
    default:
      return unreachable(outcome)
  }
}

/** What a client is told when another server said no or was not there. 504 is no fault of the request: it may work later. */
export function remoteError(outcome: RemoteRefusal | Unreachable): MatrixError {
  switch (outcome.kind) {
    case 'refused':
      return new MatrixError(
        outcome.status,
        outcome.errcode,
        outcome.reason,
        outcome.roomVersion === undefined ? {} : { room_version: outcome.roomVersion },
      )
    case 'unreachable':
      return new MatrixError(504, 'M_UNKNOWN', `No server that could help was reached: ${outcome.reason}`, { 'im.kith.unreachable': true })
    default:
      return unreachable(outcome)
  }
}
