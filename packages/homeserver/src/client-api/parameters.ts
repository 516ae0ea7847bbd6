import {
  type EventId,
  parseEventId,
  parseRoomId,
  parseServerName,
  parseUserId,
  type RoomId,
  type ServerName,
  type UserId,
} from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { MatrixError } from '../matrix-error.ts'

export function roomIdFrom(text: string): RoomId {
  return required(parseRoomId(text), 'Not a room id')
}

export function eventIdFrom(text: string): EventId {
  return required(parseEventId(text), 'Not an event id')
}

export function userIdFrom(text: string): UserId {
  return required(parseUserId(text), 'Not a user id')
}

export function serverNameFrom(text: string): ServerName {
  return required(parseServerName(text), 'Not a server name')
}

/** For paths that name a user whose data only that user may touch. */
export function ownUserId(text: string, session: Session): UserId {
  const userId = userIdFrom(text)
  if (userId !== session.userId) throw new MatrixError(403, 'M_FORBIDDEN', 'This belongs to another user')
  return userId
}

/** A non-negative integer of the query, at most `max`. */
export function integerFrom(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const text = query.get(name)
  if (text === null) return fallback
  if (!/^\d{1,16}$/.test(text)) throw new MatrixError(400, 'M_INVALID_PARAM', `${name} must be a non-negative integer`)
  return Math.min(Number(text), max)
}

/** @throws MatrixError M_INVALID_PARAM for anything but true and false. */
export function booleanFrom(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (text !== 'true' && text !== 'false') throw new MatrixError(400, 'M_INVALID_PARAM', `${name} must be true or false`)
  return text === 'true'
}

/** One of a few words; undefined where the query has none. */
export function choiceFrom<Choice extends string>(query: URLSearchParams, name: string, choices: readonly Choice[]): Choice | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const choice = choices.find((known) => known === text)
  if (choice === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', `${name} must be one of ${choices.join(', ')}`)
  return choice
}

export function directionFrom(query: URLSearchParams, fallback?: 'b' | 'f'): 'b' | 'f' {
  const text = query.get('dir') ?? fallback
  if (text === 'b' || text === 'f') return text
  throw new MatrixError(400, text === undefined ? 'M_MISSING_PARAM' : 'M_INVALID_PARAM', 'dir must be b or f')
}

function required<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', message)
  return value
}
