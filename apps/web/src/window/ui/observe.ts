import { useSyncExternalStore } from 'react'
import type { Observable } from '../observable.ts'

/** The current value, and another render with each change. */
export function useObservable<T>(observable: Observable<T>): T {
  return useSyncExternalStore(observable.subscribe, observable.get)
}
