import { type ServerName, serverNameOf, type StateKey, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import { type IndexedState, memberOf } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

/** The current state of a room as a commit under way will leave it, over the state as it is. */
export class DraftCurrent {
  readonly #state: IndexedState
  readonly #changes = new Map<StateKey, StoredEvent | undefined>()
  /** How many joined members each server gains or loses. */
  readonly #joinedDelta = new Map<ServerName, number>()
  #touched = new Set<ServerName>()
  readonly #endedStays = new Set<UserId>()

  constructor(state: IndexedState) {
    this.#state = state
  }

  at(key: StateKey): StoredEvent | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#state.at(key)
  }

  set(key: StateKey, event: StoredEvent | undefined): void {
    this.#countJoined(this.at(key), -1)
    this.#countJoined(event, 1)
    this.#changes.set(key, event)
  }

  /**
   * @param arriving takes the place of what is stored of it.
   * @param server of whose users it is noted whose stay ends by something else than the arriving event: none of the stream says so.
   */
  move(changes: ReadonlyMap<StateKey, StoredEvent | undefined>, arriving: StoredEvent | undefined, server: ServerName): void {
    for (const [key, event] of changes) {
      const isArriving = event !== undefined && event.eventId === arriving?.eventId
      const [stayed, stays] = [joinedOf(server, this.at(key)), joinedOf(server, event)]
      if (stays !== undefined) this.#endedStays.delete(stays)
      else if (stayed !== undefined && !isArriving) this.#endedStays.add(stayed)
      this.set(key, isArriving ? arriving : event)
    }
  }

  /** Who is in the room no longer, although no event of the draft says so. */
  get endedStays(): readonly UserId[] {
    return [...this.#endedStays]
  }

  /** Keeps the state pointing at the newest form of the event. */
  refresh(event: StoredEvent): void {
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return
    const key = stateKeyOf(type, stateKey)
    if (this.at(key)?.eventId === event.eventId) this.set(key, event)
  }

  /** Servers with a joined member, as the state will be. */
  joinedServers(): Set<ServerName> {
    const servers = new Set(this.#state.joinedServers())
    for (const [server, change] of this.#joinedDelta) {
      if (this.#state.joinedCount(server) + change > 0) servers.add(server)
      else if (!this.#state.isAssumed(server)) servers.delete(server)
    }
    return servers
  }

  /** Whether the server has a joined member, as the state will be. */
  isJoined(server: ServerName): boolean {
    return this.#state.joinedCount(server) + (this.#joinedDelta.get(server) ?? 0) > 0 || this.#state.isAssumed(server)
  }

  /** Servers that lost their last joined member since this was asked before. */
  takeLost(): Set<ServerName> {
    const touched = this.#touched
    this.#touched = new Set()
    return new Set([...touched].filter((server) => !this.isJoined(server)))
  }

  /** Lets the state follow what was committed. */
  apply(): void {
    for (const [key, event] of this.#changes) {
      if (event === undefined) this.#state.delete(key)
      else this.#state.set(key, event)
    }
  }

  #countJoined(event: StoredEvent | undefined, change: 1 | -1): void {
    const member = event === undefined ? undefined : memberOf(event)
    if (member?.membership !== 'join') return
    const server = serverNameOf(member.userId)
    if (change < 0) this.#touched.add(server)
    this.#joinedDelta.set(server, (this.#joinedDelta.get(server) ?? 0) + change)
  }
}

function joinedOf(server: ServerName, event: StoredEvent | undefined): UserId | undefined {
  const member = event === undefined ? undefined : memberOf(event)
  return member?.membership === 'join' && serverNameOf(member.userId) === server ? member.userId : undefined
}
