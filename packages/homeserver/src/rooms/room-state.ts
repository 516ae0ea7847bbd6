import { type EventId, parseUserId, type ServerName, serverNameOf, type StateKey, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import type { StoredEvent } from './stored-event.ts'

export type Membership = 'invite' | 'join' | 'knock' | 'leave' | 'ban'

export interface Member {
  readonly userId: UserId
  readonly membership: Membership
  readonly event: StoredEvent
}

/** The state of a room at one point. A view that never changes while it is held synchronously; do not keep it across an await. */
export interface RoomState {
  get(type: string, stateKey: string): StoredEvent | undefined
  entries(): Iterable<StoredEvent>
  readonly size: number
  /** Everyone with that membership, or everyone with any. */
  members(membership?: Membership): Iterable<Member>
  membershipOf(userId: UserId): Membership | undefined
  /** Everyone joined of one server. */
  joinedUsersOf(server: ServerName): ReadonlySet<UserId>
  /** How many are joined, of all servers. */
  readonly joinedTotal: number
  readonly invitedTotal: number
  joinedServers(): ReadonlySet<ServerName>
  isJoined(server: ServerName): boolean
}

const NOBODY: ReadonlySet<UserId> = new Set()
const MEMBERSHIPS: ReadonlySet<unknown> = new Set<Membership>(['invite', 'join', 'knock', 'leave', 'ban'])

/** Hears of one user that they are joined, or no more. Whose membership event is replaced by another join may be named twice. */
export type JoinListener = (userId: UserId, isJoined: boolean) => void

/** What a member event says, or undefined when it says nothing usable. */
export function memberOf(event: StoredEvent): Member | undefined {
  if (event.pdu.type !== 'm.room.member') return undefined
  const userId = parseUserId(event.pdu.state_key)
  const membership: unknown = event.pdu.content['membership']
  if (userId === undefined || !MEMBERSHIPS.has(membership)) return undefined
  return { userId, membership: membership as Membership, event }
}

/**
 * State as a map of events with indices of members and servers, kept by delta: changing one entry costs the same in a room of ten
 * as in a room of ten thousand.
 */
export class IndexedState implements RoomState {
  readonly #events = new Map<StateKey, StoredEvent>()
  readonly #members = new Map<UserId, Member>()
  readonly #joinedByServer = new Map<ServerName, Set<UserId>>()
  #joinedTotal = 0
  #invitedTotal = 0
  readonly #joinedServers = new Set<ServerName>()
  #assumed: ReadonlySet<ServerName> = new Set()
  #told: { readonly server: ServerName; readonly listener: JoinListener } | undefined

  static of(events: Iterable<readonly [StateKey, StoredEvent]>): IndexedState {
    const state = new IndexedState()
    for (const [key, event] of events) state.set(key, event)
    return state
  }

  get size(): number {
    return this.#events.size
  }

  get(type: string, stateKey: string): StoredEvent | undefined {
    return this.#events.get(stateKeyOf(type, stateKey))
  }

  entries(): Iterable<StoredEvent> {
    return this.#events.values()
  }

  *members(membership?: Membership): Iterable<Member> {
    for (const member of this.#members.values()) {
      if (membership === undefined || member.membership === membership) yield member
    }
  }

  membershipOf(userId: UserId): Membership | undefined {
    return this.#members.get(userId)?.membership
  }

  joinedUsersOf(server: ServerName): ReadonlySet<UserId> {
    return this.#joinedByServer.get(server) ?? NOBODY
  }

  get joinedTotal(): number {
    return this.#joinedTotal
  }

  get invitedTotal(): number {
    return this.#invitedTotal
  }

  joinedServers(): ReadonlySet<ServerName> {
    return this.#joinedServers
  }

  isJoined(server: ServerName): boolean {
    return this.#joinedServers.has(server)
  }

  /** Counts servers as joined whose members are not part of the state yet. */
  assumeJoined(servers: Iterable<ServerName>): void {
    this.#assumed = new Set(servers)
    for (const server of this.#assumed) this.#joinedServers.add(server)
  }

  stopAssuming(servers: ReadonlySet<ServerName>): void {
    this.#assumed = this.#assumed.difference(servers)
    for (const server of servers) if (this.joinedCount(server) === 0) this.#joinedServers.delete(server)
  }

  isAssumed(server: ServerName): boolean {
    return this.#assumed.has(server)
  }

  at(key: StateKey): StoredEvent | undefined {
    return this.#events.get(key)
  }

  /** How many members of that server are joined. */
  joinedCount(server: ServerName): number {
    return this.joinedUsersOf(server).size
  }

  ids(): Map<StateKey, EventId> {
    return new Map(Array.from(this.#events, ([key, event]) => [key, event.eventId]))
  }

  set(key: StateKey, event: StoredEvent): void {
    this.delete(key)
    this.#events.set(key, event)
    const member = memberOf(event)
    if (member === undefined) return
    this.#members.set(member.userId, member)
    if (member.membership === 'join') this.#addJoined(member.userId)
    else if (member.membership === 'invite') this.#invitedTotal++
  }

  delete(key: StateKey): void {
    const old = this.#events.get(key)
    if (old === undefined) return
    this.#events.delete(key)
    const member = memberOf(old)
    if (member === undefined) return
    this.#members.delete(member.userId)
    if (member.membership === 'join') this.#deleteJoined(member.userId)
    else if (member.membership === 'invite') this.#invitedTotal--
  }

  /** The listener hears who of a server is joined, now and whenever that changes. There is one at a time. */
  tellJoined(server: ServerName, listener: JoinListener): void {
    this.#told = { server, listener }
    for (const userId of this.joinedUsersOf(server)) listener(userId, true)
  }

  stopTelling(): void {
    this.#told = undefined
  }

  #addJoined(userId: UserId): void {
    const server = serverNameOf(userId)
    this.#joinedByServer.getOrInsertComputed(server, () => new Set()).add(userId)
    this.#joinedServers.add(server)
    this.#joinedTotal++
    if (this.#told?.server === server) this.#told.listener(userId, true)
  }

  #deleteJoined(userId: UserId): void {
    const server = serverNameOf(userId)
    const users = this.#joinedByServer.get(server)
    users?.delete(userId)
    this.#joinedTotal--
    if (this.#told?.server === server) this.#told.listener(userId, false)
    if (users !== undefined && users.size > 0) return
    this.#joinedByServer.delete(server)
    if (!this.#assumed.has(server)) this.#joinedServers.delete(server)
  }
}
