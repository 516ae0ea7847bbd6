import { type EventId, type RoomId, type StateKey, stateKeyOf } from '@kith/matrix-protocol'
import type { RoomsContext } from './rooms-context.ts'
import { EMPTY_STATE, type StateIds, type StateRoot } from './state-trie.ts'
import { roomsTables } from './tables.ts'

/** A room's state at some moment. */
export interface StateAtPosition {
  /** Equal at two moments of one room: the state is the same. */
  readonly snapshot: StateRoot
  idOf(type: string, stateKey: string): Promise<EventId | undefined>
  ids(): Promise<StateIds>
}

/** The room's current state as it was at a stream position. */
export async function readStateAt(context: RoomsContext, roomId: RoomId, position: number): Promise<StateAtPosition | undefined> {
  const [last] = await context.ports.storage.range(roomsTables.arrivals, {
    prefix: [roomId],
    before: [roomId, position + 1],
    reverse: true,
    limit: 1,
  })
  if (last === undefined) return undefined
  const { state } = last.value
  const states = context.states.of(roomId)
  return {
    snapshot: state,
    idOf: async (type, stateKey) => states.lookUp(state, stateKeyOf(type, stateKey)),
    ids: async () => states.whole(state),
  }
}

/** What `to` has that `from` lacks or has otherwise. */
export async function readEntriesSince(
  context: RoomsContext,
  roomId: RoomId,
  from: StateRoot | undefined,
  to: StateRoot,
): Promise<Map<StateKey, EventId>> {
  const changed = new Map<StateKey, EventId>()
  for (const [key, difference] of await context.states.of(roomId).difference(from ?? EMPTY_STATE, to)) {
    if (difference.to !== undefined) changed.set(key, difference.to)
  }
  return changed
}
