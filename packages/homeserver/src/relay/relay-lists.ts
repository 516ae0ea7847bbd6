import { canonicalJson, isJsonObject, type JsonObject, parseServerName, type ServerName } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { isSignedBy, signJson } from '../federation/signed-json.ts'
import { limits } from '../limits.ts'
import type { Ports } from '../ports/index.ts'
import { WriteBatch } from '../ports/storage.ts'
import type { RelayAddresses } from './relay-address.ts'
import { relayTables } from './tables.ts'

export type LearnOutcome =
  | { readonly kind: 'learned'; readonly server: ServerName }
  /** This list, or a newer one of that server, is known. */
  | { readonly kind: 'known'; readonly server: ServerName }
  | { readonly kind: 'invalid'; readonly reason: string }

const address = v.pipe(v.string(), v.maxLength(limits.implementation.addressCharactersMax))
const serverName = v.pipe(
  v.string(),
  v.transform((text) => parseServerName(text)),
  v.custom<ServerName>((name) => name !== undefined),
)
const listSchema = v.object({
  server: serverName,
  relays: v.pipe(
    v.array(v.object({ server: serverName, addresses: v.pipe(v.array(address), v.maxLength(limits.implementation.addressesPerRelayMax)) })),
    v.maxLength(limits.implementation.relaysPerListMax),
  ),
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  expires: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
})
type RelayList = v.InferOutput<typeof listSchema>

type RelayListPorts = Pick<Ports, 'clock' | 'crypto' | 'storage' | 'network' | 'log'>

/** Signed relay lists: this server's own, and the newest known one of each other server. */
export class RelayLists {
  readonly #ports: RelayListPorts
  readonly #serverName: ServerName
  readonly #sequences: Map<ServerName, number>
  readonly #listeners = new Set<(server: ServerName) => void>()
  #own: JsonObject
  #change: Promise<unknown> = Promise.resolve()

  private constructor(ports: RelayListPorts, serverName: ServerName, own: JsonObject, sequences: Map<ServerName, number>) {
    this.#ports = ports
    this.#serverName = serverName
    this.#own = own
    this.#sequences = sequences
  }

  static async open(ports: RelayListPorts, serverName: ServerName): Promise<RelayLists> {
    const own = (await ports.storage.get(relayTables.ownList, [])) ?? (await signList(ports, serverName, [], 0))
    const lists = new RelayLists(ports, serverName, own, new Map())
    for (const { key, value } of await ports.storage.range(relayTables.lists, { limit: limits.implementation.relayListsMax })) {
      const list = parseList(value)
      if (list === undefined) continue
      lists.#sequences.set(key[0], list.seq)
      lists.#teachNetwork(list)
    }
    return lists
  }

  /** This server's own list, signed. */
  get own(): JsonObject {
    return this.#own
  }

  get ownSequence(): number {
    return parseList(this.#own)?.seq ?? 0
  }

  /** Signs and stores a new own list when these relays differ from it or half of its life is over. */
  setOwnRelays(relays: readonly RelayAddresses[]): Promise<void> {
    return this.#serially(async () => {
      const bounded = relays.slice(0, limits.implementation.relaysPerListMax)
      const current = parseList(this.#own)
      const fresh = (current?.expires ?? 0) - this.#ports.clock.now() > limits.implementation.relayListLifetimeMs / 2
      if (fresh && canonicalJson(relaysJson(current?.relays ?? [])) === canonicalJson(relaysJson(bounded))) return
      const list = await signList(this.#ports, this.#serverName, bounded, (current?.seq ?? 0) + 1)
      // Stored before anyone sees it: a sequence number given out must never be used for another list.
      await this.#ports.storage.commit(new WriteBatch().put(relayTables.ownList, [], list).writes)
      this.#own = list
    })
  }

  /** Checks a list of `server` and keeps it if it is newer than the known one. */
  async learn(server: ServerName, value: unknown): Promise<LearnOutcome> {
    const list = parseList(value)
    if (list === undefined || !isJsonObject(value)) return { kind: 'invalid', reason: 'This is no relay list' }
    if (list.server !== server) return { kind: 'invalid', reason: 'The relay list is of another server' }
    if (server === this.#serverName) return { kind: 'known', server }
    if (this.#isKnown(server, list.seq)) return { kind: 'known', server }
    if (JSON.stringify(value).length > limits.implementation.relayListBytesMax)
      return { kind: 'invalid', reason: 'The relay list is too large' }
    if (!(await isSignedBy(this.#ports.crypto, server, value))) return { kind: 'invalid', reason: 'The signature is wrong' }
    return this.#serially(() => this.#keep(server, list, value))
  }

  /** The relays where `server` collects mail; undefined when no list of it is known. */
  async relaysOf(server: ServerName): Promise<readonly RelayAddresses[] | undefined> {
    // An expired list is still the best guess: its relays either hold a mailbox for the server or refuse.
    return parseList(await this.#ports.storage.get(relayTables.lists, [server]))?.relays
  }

  knows(server: ServerName): boolean {
    return this.#sequences.has(server)
  }

  /** Calls the listener after each newly learned list. */
  watch(listener: (server: ServerName) => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  async #keep(server: ServerName, list: RelayList, value: JsonObject): Promise<LearnOutcome> {
    if (this.#isKnown(server, list.seq)) return { kind: 'known', server }
    if (!this.#sequences.has(server) && this.#sequences.size >= limits.implementation.relayListsMax) {
      return { kind: 'invalid', reason: 'Too many relay lists are known' }
    }
    await this.#ports.storage.commit(new WriteBatch().put(relayTables.lists, [server], value).writes)
    this.#sequences.set(server, list.seq)
    this.#teachNetwork(list)
    for (const listener of this.#listeners) listener(server)
    return { kind: 'learned', server }
  }

  #isKnown(server: ServerName, sequence: number): boolean {
    return (this.#sequences.get(server) ?? -1) >= sequence
  }

  #teachNetwork({ server, relays }: RelayList): void {
    for (const relay of relays) this.#ports.network.learnAddresses(relay.server, relay.addresses)
    const circuits = relays.flatMap((relay) => relay.addresses.map((text) => `${text}/p2p-circuit`))
    this.#ports.network.learnAddresses(server, circuits)
  }

  #serially<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#change.then(task, task)
    this.#change = result.catch(() => undefined)
    return result
  }
}

function parseList(value: unknown): RelayList | undefined {
  const result = v.safeParse(listSchema, value)
  return result.success ? result.output : undefined
}

function relaysJson(relays: readonly RelayAddresses[]): JsonObject[] {
  return relays.map(({ server, addresses }) => ({ server, addresses }))
}

function signList(ports: RelayListPorts, server: ServerName, relays: readonly RelayAddresses[], seq: number): Promise<JsonObject> {
  const expires = ports.clock.now() + limits.implementation.relayListLifetimeMs
  return signJson(ports.crypto, server, { server, relays: relaysJson(relays), seq, expires })
}
