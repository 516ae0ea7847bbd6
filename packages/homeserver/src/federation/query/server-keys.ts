import {
  encodeBase64,
  type JsonObject,
  ownInteger,
  ownObject,
  ownString,
  publicKeyFromServerName,
  type ServerName,
  SIGNING_KEY_ID,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { PeerClient } from '../peer-client.ts'
import { isSignedBy, signJson } from '../signed-json.ts'

interface CachedKeys {
  readonly keys: JsonObject
  readonly validUntil: number
  /** Until then nobody is asked again: half of what the keys had left to live. */
  readonly freshUntil: number
}

/**
 * Signing keys as servers of other kinds want them: published, and vouched for by notaries. Between servers of this kind nobody needs
 * them, because the name is the key.
 */
export class ServerKeys {
  readonly #parts: { readonly ports: Pick<Ports, 'clock' | 'crypto' | 'network'>; readonly client: PeerClient; readonly rooms: Rooms }
  readonly #serverName: ServerName
  readonly #cache = new Map<ServerName, CachedKeys>()
  /** When servers were asked last, whatever came of it: whoever asks here shall not decide how often others are. */
  readonly #askedAt = new Map<ServerName, number>()

  constructor(
    parts: { readonly ports: Pick<Ports, 'clock' | 'crypto' | 'network'>; readonly client: PeerClient; readonly rooms: Rooms },
    serverName: ServerName,
  ) {
    this.#parts = parts
    this.#serverName = serverName
  }

  /** This server's own. @see https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2server */
  async own(): Promise<JsonObject> {
    const { clock, crypto } = this.#parts.ports
    return signJson(crypto, this.#serverName, {
      server_name: this.#serverName,
      verify_keys: { [SIGNING_KEY_ID]: { key: encodeBase64(crypto.publicKey) } },
      old_verify_keys: {},
      valid_until_ts: clock.now() + limits.implementation.serverKeyValidityMs,
    })
  }

  /**
   * Another server's keys as it signed them, countersigned here. Undefined when it is not there and was not asked before.
   * Only servers with which this one has to do are asked: nobody shall make it dial strangers.
   * @see https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2queryservername
   */
  async of(server: ServerName, minimumValidUntil: number, signal: AbortSignal): Promise<JsonObject | undefined> {
    if (server === this.#serverName) return this.own()
    const now = this.#parts.ports.clock.now()
    const cached = this.#cache.get(server)
    if (cached !== undefined && cached.freshUntil > now && cached.validUntil >= minimumValidUntil) return cached.keys
    const fetched = this.#mayAsk(server, now) ? await this.#fetch(server, signal) : undefined
    return (fetched ?? cached)?.keys
  }

  #mayAsk(server: ServerName, now: number): boolean {
    const askedAt = this.#askedAt.get(server)
    if (askedAt !== undefined && now - askedAt < limits.implementation.notaryRetryMs) return false
    if (!this.#isAcquainted(server)) return false
    remember(this.#askedAt, server, now)
    return true
  }

  #isAcquainted(server: ServerName): boolean {
    const { ports, rooms } = this.#parts
    return ports.network.connections().some((connection) => connection.server === server) || rooms.roomsWithServer(server).length > 0
  }

  async #fetch(server: ServerName, signal: AbortSignal): Promise<CachedKeys | undefined> {
    const { ports, client } = this.#parts
    const call = { method: 'GET', path: '/_matrix/key/v2/server', timeoutMs: limits.implementation.interactiveTimeoutMs } as const
    const answer = await client.call(server, call, signal)
    if (answer.kind !== 'ok' || !(await this.#isRight(server, answer.body))) return undefined
    const validUntil = ownInteger(answer.body, 'valid_until_ts') ?? 0
    const now = ports.clock.now()
    const keys = await signJson(ports.crypto, this.#serverName, answer.body)
    const cached = { keys, validUntil, freshUntil: now + Math.max(0, validUntil - now) / 2 }
    remember(this.#cache, server, cached)
    return cached
  }

  async #isRight(server: ServerName, keys: JsonObject): Promise<boolean> {
    const key = publicKeyFromServerName(server)
    const published = ownString(ownObject(ownObject(keys, 'verify_keys'), SIGNING_KEY_ID), 'key')
    if (key === undefined || published !== encodeBase64(key) || keys['server_name'] !== server) return false
    return ownInteger(keys, 'valid_until_ts') !== undefined && isSignedBy(this.#parts.ports.crypto, server, keys)
  }
}

/** What was remembered longest ago goes first. */
function remember<V>(map: Map<ServerName, V>, server: ServerName, value: V): void {
  map.delete(server)
  map.set(server, value)
  const [oldest] = map.keys()
  if (map.size > limits.implementation.notaryKeysCachedMax && oldest !== undefined) map.delete(oldest)
}
