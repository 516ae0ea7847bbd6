import { encodeBase64Url } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Random } from '../../ports/random.ts'
import type { EventReader } from '../client-events.ts'
import { Connection } from './connection.ts'

interface Entry {
  readonly device: string
  readonly connection: Connection
  /** Ends the request that waits. */
  running: AbortController | undefined
  ended: Promise<unknown>
}

/** The connections of all clients: in memory, the longest unused go first. Whose connection is gone begins anew. */
export class Connections {
  readonly #random: Random
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>()

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * Runs a request of a connection, after the request before it was made to end: a client has one at a time.
   * @param token undefined: a new connection, in the place of the old.
   * @returns undefined when the token is unknown.
   */
  async run<T>(
    reader: EventReader,
    id: string,
    token: string | undefined,
    task: (connection: Connection, superseded: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const device = JSON.stringify([reader.userId, reader.deviceId])
    const key = JSON.stringify([device, id])
    const entry = this.#take(key, device, token === undefined)
    if (entry === undefined) return undefined
    entry.running?.abort()
    const running = new AbortController()
    entry.running = running
    const before = entry.ended
    const { promise, resolve } = Promise.withResolvers<void>()
    entry.ended = promise
    await before
    try {
      return entry.connection.resume(token) ? await task(entry.connection, running.signal) : undefined
    } finally {
      if (entry.running === running) entry.running = undefined
      resolve()
    }
  }

  #take(key: string, device: string, anew: boolean): Entry | undefined {
    const old = this.#entries.get(key)
    this.#entries.delete(key)
    if (anew) old?.running?.abort()
    const entry = anew ? { device, connection: this.#open(), running: undefined, ended: Promise.resolve() } : old
    if (entry === undefined) return undefined
    this.#entries.set(key, entry)
    if (anew) this.#makeRoom(device)
    return entry
  }

  #open(): Connection {
    return new Connection(encodeBase64Url(this.#random.bytes(9)))
  }

  #makeRoom(device: string): void {
    const { slidingConnectionsMax, slidingConnectionsPerDeviceMax } = limits.implementation
    const own = [...this.#entries].filter(([, entry]) => entry.device === device)
    const tooMany = own.slice(0, Math.max(0, own.length - slidingConnectionsPerDeviceMax)).map(([key]) => key)
    const [oldest] = this.#entries.keys()
    if (tooMany.length === 0 && this.#entries.size > slidingConnectionsMax && oldest !== undefined) tooMany.push(oldest)
    for (const key of tooMany) {
      this.#entries.get(key)?.running?.abort()
      this.#entries.delete(key)
    }
  }
}
