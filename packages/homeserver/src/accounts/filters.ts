import { canonicalJson, encodeBase64Url, type JsonObject, sha256, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { accountsTables } from './tables.ts'

/** Stored filters. The id is a hash of the filter, so storing one again changes nothing. */
export class Filters {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The filter's id; undefined when the user has too many. @throws CanonicalJsonError for fractions and the like. */
  async add(userId: UserId, filter: JsonObject): Promise<string | undefined> {
    const hash = sha256(new TextEncoder().encode(canonicalJson(filter)))
    const filterId = `f${encodeBase64Url(hash.slice(0, 12))}`
    if ((await this.get(userId, filterId)) !== undefined) return filterId
    const max = limits.implementation.filtersPerUserMax
    if ((await this.#storage.range(accountsTables.filters, { prefix: [userId], limit: max })).length >= max) return undefined
    await this.#storage.commit(new WriteBatch().put(accountsTables.filters, [userId, filterId], filter).writes)
    return filterId
  }

  async get(userId: UserId, filterId: string): Promise<JsonObject | undefined> {
    return this.#storage.get(accountsTables.filters, [userId, filterId])
  }
}
