declare const brand: unique symbol

/** A pair of event type and state key, as one string for use as a key of maps. */
export type StateKey = string & { readonly [brand]: 'StateKey' }

/** A room's state, or a part of it: the events' ids, or the events, by type and state key. */
export type StateMap<T> = Map<StateKey, T>
export type ReadonlyStateMap<T> = ReadonlyMap<StateKey, T>

export interface TypeAndStateKey {
  readonly type: string
  readonly stateKey: string
}

/** The length of the type comes first, so that no two pairs make one string whatever characters they hold. */
export function stateKeyOf(type: string, stateKey: string): StateKey {
  return `${type.length}:${type}${stateKey}` as StateKey
}

/** What stateKeyOf put together. */
export function splitStateKey(key: StateKey): TypeAndStateKey {
  const colon = key.indexOf(':')
  const start = colon + 1
  const end = start + Number(key.slice(0, colon))
  return { type: key.slice(start, end), stateKey: key.slice(end) }
}
