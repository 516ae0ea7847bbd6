import { observableValue, type Observable } from './observable.ts'

export interface StoragePersistence {
  readonly granted: Observable<boolean | undefined>
  readonly request: () => Promise<boolean>
}

/** Asks at once, unless it was granted before: without it a browser short of space may evict the identity. */
export function watchStoragePersistence(): StoragePersistence {
  const granted = observableValue<boolean | undefined>(undefined)
  const request = async () => {
    const answer = await persist()
    granted.set(answer)
    return answer
  }
  void request()
  return { granted, request }
}

async function persist(): Promise<boolean> {
  try {
    return (await navigator.storage.persisted()) || (await navigator.storage.persist())
  } catch {
    return false
  }
}
