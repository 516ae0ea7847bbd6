/**
 * A place in the stream as clients keep it: `position`, or `position_inbox` when to-device messages up to that position did not all
 * fit into one answer and go on after `inbox`.
 */
export interface SyncToken {
  readonly position: number
  readonly inbox: number
}

export function formatSyncToken(token: SyncToken): string {
  return token.inbox === token.position ? `s${token.position}` : `s${token.position}_${token.inbox}`
}

export function parseSyncToken(text: string): SyncToken | undefined {
  const parsed = /^s?(\d{1,16})(?:_(\d{1,16}))?$/.exec(text)
  if (parsed === null) return undefined
  const position = Number(parsed[1])
  const inbox = parsed[2] === undefined ? position : Number(parsed[2])
  return Number.isSafeInteger(position) && Number.isSafeInteger(inbox) && inbox <= position ? { position, inbox } : undefined
}
