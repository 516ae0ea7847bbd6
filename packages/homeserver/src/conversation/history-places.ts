import { formatHistoryToken, type HistoryPlace, parseHistoryToken } from '../rooms/index.ts'

export function isBefore(a: HistoryPlace, b: HistoryPlace): boolean {
  return a.depth < b.depth || (a.depth === b.depth && a.place < b.place)
}

export function formatPlace({ depth, place }: HistoryPlace): string {
  return formatHistoryToken({ depth, sequence: place, below: undefined })
}

export function parsePlace(token: string | undefined): HistoryPlace | undefined {
  const parsed = token === undefined ? undefined : parseHistoryToken(token)
  return parsed === undefined ? undefined : { depth: parsed.depth, place: parsed.sequence }
}
