/** A place between two events of a room's history: just before where an event of this depth and sequence is or would be. */
export interface HistoryToken {
  readonly depth: number
  readonly sequence: number
  /** Going backwards, events that joined the timeline at this stream position or later do not count. */
  readonly below: number | undefined
}

const TOKEN = /^h([0-9]{1,16})_([0-9]{1,16})(?:_([0-9]{1,16}))?$/

export function formatHistoryToken(token: HistoryToken): string {
  const place = `h${token.depth}_${token.sequence}`
  return token.below === undefined ? place : `${place}_${token.below}`
}

export function parseHistoryToken(text: string): HistoryToken | undefined {
  const match = TOKEN.exec(text)
  if (match === null) return undefined
  const [, depth, sequence, below] = match
  const token = { depth: Number(depth), sequence: Number(sequence), below: below === undefined ? undefined : Number(below) }
  const numbers = [token.depth, token.sequence, token.below ?? 0]
  return numbers.every((number) => Number.isSafeInteger(number)) ? token : undefined
}

export function isHistoryToken(text: string): boolean {
  return parseHistoryToken(text) !== undefined
}
