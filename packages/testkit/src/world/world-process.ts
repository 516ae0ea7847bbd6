import type { Clock, Entry, Key, PeerNetwork, Ports, RangeQuery, Storage, StoredValue, Table, Write } from '@kith/homeserver/ports'

/** The process is killed at one of its next commits. */
export interface CommitCrash {
  /** How many commits still succeed before. */
  readonly after: number
  /** Whether the fatal commit reaches the disk; the process does not learn of it either way. */
  readonly durable: boolean
}

/**
 * One run of a node's program, from its start to its death. All that it does passes here, so that it can be frozen, as a laptop whose lid
 * is shut, and killed, after which nothing that it began goes on: what waits, waits for ever.
 */
export class WorldProcess {
  readonly ports: Ports
  readonly #died = new AbortController()
  readonly #onDeath: () => void
  readonly #tamper: (writes: readonly Write[]) => readonly Write[]
  #frozen: PromiseWithResolvers<void> | undefined
  #crash: { after: number; readonly durable: boolean } | undefined

  constructor(ports: Ports, tamper: (writes: readonly Write[]) => readonly Write[], onDeath: () => void) {
    this.#tamper = tamper
    this.#onDeath = onDeath
    this.ports = {
      ...ports,
      clock: this.#clockOn(ports.clock),
      storage: this.#storageOn(ports.storage),
      network: this.#networkOn(ports.network),
    }
  }

  get died(): AbortSignal {
    return this.#died.signal
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined
  }

  /** Resolves while the process is not frozen. */
  async awake(): Promise<void> {
    while (this.#frozen !== undefined) await this.#frozen.promise
    if (this.#died.signal.aborted) await forever()
  }

  freeze(): void {
    this.#frozen ??= Promise.withResolvers()
  }

  thaw(): void {
    const frozen = this.#frozen
    this.#frozen = undefined
    frozen?.resolve()
  }

  kill(): void {
    if (this.#died.signal.aborted) return
    this.#died.abort(new DOMException('The process was killed', 'AbortError'))
    this.thaw()
    this.#onDeath()
  }

  killAtCommit(crash: CommitCrash | undefined): void {
    this.#crash = crash === undefined ? undefined : { ...crash }
  }

  #clockOn(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      sleep: async (durationMs, signal) => {
        await clock.sleep(durationMs, signal)
        await this.awake()
        signal.throwIfAborted()
      },
    }
  }

  #storageOn(storage: Storage): Storage {
    const alive = async (): Promise<void> => {
      if (this.#died.signal.aborted) await forever()
    }
    return {
      get: async <K extends Key, V extends StoredValue>(table: Table<K, V>, key: K) => {
        await alive()
        return storage.get(table, key)
      },
      getMany: async <K extends Key, V extends StoredValue>(table: Table<K, V>, keys: readonly K[]) => {
        await alive()
        return storage.getMany(table, keys)
      },
      range: async <K extends Key, V extends StoredValue>(table: Table<K, V>, query: RangeQuery): Promise<Entry<K, V>[]> => {
        await alive()
        return storage.range(table, query)
      },
      commit: async (writes) => {
        await alive()
        await this.#commit(storage, this.#tamper(writes))
      },
      [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    }
  }

  async #commit(storage: Storage, writes: readonly Write[]): Promise<void> {
    const crash = this.#crash
    if (crash === undefined || crash.after-- > 0) return storage.commit(writes)
    if (crash.durable) await storage.commit(writes)
    this.kill()
    return forever()
  }

  /** The node's place in the network dies with it; only what it asks needs to be held back here. */
  #networkOn(network: PeerNetwork): PeerNetwork {
    const request: PeerNetwork['request'] = async (...input) => {
      try {
        return await network.request(...input)
      } finally {
        await this.awake()
      }
    }
    return new Proxy(network, {
      get(target, property) {
        if (property === 'request') return request
        const value: unknown = Reflect.get(target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined)
}
