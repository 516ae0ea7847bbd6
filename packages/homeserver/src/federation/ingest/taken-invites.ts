import { isJsonObject, type JsonObject, ownMember, ownString, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import { federationTables } from '../tables.ts'

/**
 * The newest invites that each server sent through relays, by their content hashes. Transaction ids are forgotten after a while, and a
 * relay could bring an old transaction again: an invite that was declined must not come back with it.
 */
export class TakenInvites {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** `content`: of the invite's EDU. */
  async has(origin: ServerName, content: JsonObject): Promise<boolean> {
    const hash = hashOf(content)
    return hash !== undefined && (await this.#storage.get(federationTables.takenInvites, [origin, hash])) !== undefined
  }

  /** @param now ms */
  async remember(origin: ServerName, content: JsonObject, now: number): Promise<void> {
    const hash = hashOf(content)
    if (hash === undefined) return
    const { takenInvitesPerOriginMax } = limits.implementation
    const batch = new WriteBatch().put(federationTables.takenInvites, [origin, hash], now)
    const rows = await this.#storage.range(federationTables.takenInvites, { prefix: [origin], limit: takenInvitesPerOriginMax })
    const [oldest] = rows.length < takenInvitesPerOriginMax ? [] : rows.toSorted((left, right) => left.value - right.value)
    if (oldest !== undefined) batch.delete(federationTables.takenInvites, oldest.key)
    await this.#storage.commit(batch.writes)
  }
}

function hashOf(content: JsonObject): string | undefined {
  const event = ownMember(content, 'event')
  const hashes = ownMember(isJsonObject(event) ? event : undefined, 'hashes')
  const hash = ownString(isJsonObject(hashes) ? hashes : undefined, 'sha256')
  return hash !== undefined && hash.length <= limits.implementation.takenInviteHashCharactersMax ? hash : undefined
}
