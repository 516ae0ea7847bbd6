import { isJsonObject, type JsonObject, ownMember, ownString } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Edu } from '../transaction.ts'

/** The part of an EDU that a later one replaces. */
type Piece =
  | { readonly kind: 'receipt'; readonly room: string; readonly type: string; readonly user: string; readonly receipt: JsonObject }
  | { readonly kind: 'presence'; readonly update: JsonObject }
  | { readonly kind: 'whole'; readonly edu: Edu }

interface Entry {
  readonly piece: Piece
  readonly expiresAt: number
}

/**
 * What one server may still be told of typing, receipts and presence. Only the newest of a kind is kept, and only for a while:
 * late news of this sort misleads.
 */
export class EphemeralQueue {
  readonly #clock: Clock
  #pieces = new Map<string, Entry>()
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(edu: Edu): void {
    const expiresAt = this.#clock.now() + limits.implementation.ephemeralLifetimeMs
    for (const [key, piece] of piecesOf(edu, () => this.#count++)) {
      // What replaces something else takes its place at the end: it is news.
      this.#pieces.delete(key)
      this.#pieces.set(key, { piece, expiresAt })
    }
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= limits.implementation.ephemeralPerDestinationMax) break
      this.#pieces.delete(oldest)
    }
  }

  /** At most so many EDUs, oldest first; they are gone from here. */
  take(edusMax: number): Edu[] {
    const now = this.#clock.now()
    const edus: Edu[] = []
    const left = new Map<string, Entry>()
    for (const [key, entry] of this.#pieces) {
      if (entry.expiresAt <= now) continue
      if (!addPiece(edus, entry.piece, edusMax)) left.set(key, entry)
    }
    this.#pieces = left
    return edus
  }
}

function piecesOf(edu: Edu, nextNumber: () => number): Map<string, Piece> {
  const pieces = new Map<string, Piece>()
  const whole = (key: readonly unknown[]): void => void pieces.set(JSON.stringify([edu.type, ...key]), { kind: 'whole', edu })
  switch (edu.type) {
    case 'm.typing':
      whole([edu.content['room_id'], edu.content['user_id']])
      break
    case 'm.receipt':
      for (const piece of receiptsOf(edu.content)) pieces.set(keyOfReceipt(piece), piece)
      break
    case 'm.presence':
      for (const update of objectsIn(edu.content['push'])) {
        pieces.set(JSON.stringify([edu.type, update['user_id']]), { kind: 'presence', update })
      }
      break
    default:
      whole([nextNumber()])
  }
  return pieces
}

type ReceiptPiece = Extract<Piece, { kind: 'receipt' }>

/** `{room: {type: {user: receipt}}}` */
function* receiptsOf(content: JsonObject): Generator<ReceiptPiece> {
  for (const [room, types] of Object.entries(content)) {
    for (const [type, users] of Object.entries(isJsonObject(types) ? types : {})) {
      for (const [user, receipt] of Object.entries(isJsonObject(users) ? users : {})) {
        if (isJsonObject(receipt)) yield { kind: 'receipt', room, type, user, receipt }
      }
    }
  }
}

/** A user has one receipt of a type for each thread. */
function keyOfReceipt({ room, type, user, receipt }: ReceiptPiece): string {
  const data = ownMember(receipt, 'data')
  return JSON.stringify(['m.receipt', room, type, user, ownString(isJsonObject(data) ? data : {}, 'thread_id') ?? ''])
}

/** Adds to an EDU of the list where one has room for it. Returns false when it takes one more than may be. */
function addPiece(edus: Edu[], piece: Piece, edusMax: number): boolean {
  if (piece.kind !== 'whole') {
    for (const [index, edu] of edus.entries()) {
      const content = contentWith(edu, piece)
      if (content === undefined) continue
      edus[index] = { type: edu.type, content }
      return true
    }
  }
  if (edus.length >= edusMax) return false
  edus.push(asEdu(piece))
  return true
}

function asEdu(piece: Piece): Edu {
  switch (piece.kind) {
    case 'whole':
      return piece.edu
    case 'presence':
      return { type: 'm.presence', content: { push: [piece.update] } }
    case 'receipt':
      return { type: 'm.receipt', content: { [piece.room]: { [piece.type]: { [piece.user]: piece.receipt } } } }
  }
}

/** The content of an EDU of the same type with the piece in it; undefined where its place is taken or it is of another type. */
function contentWith(edu: Edu, piece: Exclude<Piece, { kind: 'whole' }>): JsonObject | undefined {
  if (edu.type !== `m.${piece.kind}`) return undefined
  if (piece.kind === 'presence') return { push: [...objectsIn(edu.content['push']), piece.update] }
  const room = objectAt(edu.content, piece.room)
  const users = objectAt(room, piece.type)
  if (Object.hasOwn(users, piece.user)) return undefined
  return { ...edu.content, [piece.room]: { ...room, [piece.type]: { ...users, [piece.user]: piece.receipt } } }
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = ownMember(object, key)
  return isJsonObject(value) ? value : {}
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter((item): item is JsonObject => isJsonObject(item)) : []
}
