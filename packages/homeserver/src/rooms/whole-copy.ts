import { checkContentHash, type Pdu, type RoomVersion } from '@kith/matrix-protocol'
import type { StoredEvent } from './stored-event.ts'

/**
 * Whether only a redacted form of an event is here, and no redaction of it: its content may turn up elsewhere. Only of messages: by the
 * content of state events, and by what redactions say, others were judged already.
 */
export function lacksContent({ pdu, redactedBy }: StoredEvent, version: RoomVersion): boolean {
  if (redactedBy !== undefined || pdu.state_key !== undefined || pdu.type === 'm.room.redaction') return false
  return !checkContentHash(pdu, version)
}

/** @param pdu verified, and the same event. */
export function isWholeCopyOf(known: StoredEvent, pdu: Pdu, version: RoomVersion): boolean {
  return lacksContent(known, version) && checkContentHash(pdu, version)
}
