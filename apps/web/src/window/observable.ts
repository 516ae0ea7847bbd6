/** A value that changes, in the shape of React's `useSyncExternalStore(observable.subscribe, observable.get)`. */
export interface Observable<T> {
  readonly get: () => T
  /** Calls the listener after each change; returns the function that stops it. */
  readonly subscribe: (listener: () => void) => () => void
}

export interface ObservableValue<T> extends Observable<T> {
  readonly set: (value: T) => void
}

/** Values are replaced, never mutated, so that `===` tells a change. */
export function observableValue<T>(initial: T): ObservableValue<T> {
  let current = initial
  const listeners = new Set<() => void>()
  return {
    get: () => current,
    set: (value) => {
      if (value === current) return
      current = value
      for (const listener of [...listeners]) listener()
    },
    subscribe: (listener) => {
      // A wrapper, so that the same function subscribed twice is two subscriptions.
      const own = () => listener()
      listeners.add(own)
      return () => listeners.delete(own)
    },
  }
}
