import {
  type AuthEvent,
  authEventIdsOf,
  authorise,
  createEventIdOf,
  type EventId,
  powerLevelOf,
  type ReadonlyStateMap,
  type RoomVersion,
  sha1Hex,
  type StateKey,
  stateKeyOf,
  type StateMap,
} from '@kith/matrix-protocol'

/**
 * State resolution word by word as the specification defines it, with sets and recursion and no thought of speed: the oracle for the
 * real one: v1, v2 and v2.1. It shares only the auth rules with it.
 * @see https://spec.matrix.org/latest/rooms/v12/#state-resolution
 */
export function resolveStateNaively(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  eventOf: (eventId: EventId) => AuthEvent,
): StateMap<EventId> {
  if (version.stateResolution === 'v1') return resolveV1Naively(version, stateSets, eventOf)
  return new NaiveResolution(version, eventOf).resolve(stateSets)
}

/**
 * Version 1, pass by pass. Two things that the specification leaves open are as in the servers that have such rooms: conflicts of one kind
 * are decided independently of each other, and an entry for which no candidate passes gets the last candidate.
 * @see https://spec.matrix.org/latest/rooms/v1/#state-resolution
 */
function resolveV1Naively(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  eventOf: (eventId: EventId) => AuthEvent,
): StateMap<EventId> {
  const keys = [...new Set(stateSets.flatMap((state) => [...state.keys()]))]
  const candidatesOf = (key: StateKey): EventId[] => [...new Set(stateSets.flatMap((state) => state.get(key) ?? []))]
  const result: StateMap<EventId> = new Map(
    keys.flatMap((key) => (candidatesOf(key).length === 1 ? [[key, candidatesOf(key)[0] as EventId] as const] : [])),
  )
  const byDepthThenSha1 = (x: EventId, y: EventId): number =>
    eventOf(x).pdu.depth - eventOf(y).pdu.depth || (sha1Hex(x) > sha1Hex(y) ? -1 : 1)
  const passes = (eventId: EventId, state: ReadonlyStateMap<EventId>): boolean => {
    const lookUp = (type: string, stateKey: string): AuthEvent | undefined => {
      const found = state.get(stateKeyOf(type, stateKey))
      return found === undefined ? undefined : eventOf(found)
    }
    return authorise(eventOf(eventId), lookUp, version, { createEvent: undefined }).kind === 'allowed'
  }
  const kindOf = (key: StateKey): number => {
    const { type } = eventOf(candidatesOf(key)[0] as EventId).pdu
    if (key === stateKeyOf('m.room.power_levels', '')) return 0
    return type === 'm.room.join_rules' ? 1 : type === 'm.room.member' ? 2 : 3
  }
  for (const kind of [0, 1, 2, 3]) {
    const before = new Map(result)
    for (const key of keys.filter((each) => candidatesOf(each).length > 1 && kindOf(each) === kind)) {
      const list = candidatesOf(key).sort(byDepthThenSha1)
      if (kind === 3) {
        // The highest depth and lowest SHA-1 that passes.
        result.set(key, list.toReversed().find((eventId) => passes(eventId, before)) ?? (list[0] as EventId))
        continue
      }
      const failing = list.findIndex(
        (eventId, index) => index > 0 && !passes(eventId, new Map(before).set(key, list[index - 1] as EventId)),
      )
      result.set(key, (failing === -1 ? list.at(-1) : list[failing - 1]) as EventId)
    }
  }
  return result
}

class NaiveResolution {
  readonly #version: RoomVersion
  readonly #eventOf: (eventId: EventId) => AuthEvent
  readonly #chains = new Map<EventId, ReadonlySet<EventId>>()

  constructor(version: RoomVersion, eventOf: (eventId: EventId) => AuthEvent) {
    this.#version = version
    this.#eventOf = eventOf
  }

  resolve(stateSets: readonly ReadonlyStateMap<EventId>[]): StateMap<EventId> {
    const isV21 = this.#version.stateResolution === 'v2.1'
    const unconflicted = unconflictedOf(stateSets)
    const conflicted = conflictedOf(stateSets, unconflicted)
    if (conflicted.size === 0) return unconflicted
    let full = conflicted.union(this.#authDifference(stateSets))
    if (isV21) full = full.union(this.#subgraph(conflicted))

    const powerEvents = [...full].filter((eventId) => this.#isPowerEvent(eventId))
    const chain = (eventId: EventId): ReadonlySet<EventId> => this.#conflictedChain(eventId, full)
    const picked = new Set(powerEvents.flatMap((eventId) => [eventId, ...chain(eventId)]))
    const partial = this.#check(this.#powerOrder(picked, chain), isV21 ? new Map() : unconflicted)
    const result = this.#check(this.#mainlineOrder(full.difference(picked), partial), partial)
    return new Map([...result, ...unconflicted])
  }

  /** Without the event itself. */
  #authChain(eventId: EventId): ReadonlySet<EventId> {
    const known = this.#chains.get(eventId)
    if (known !== undefined) return known
    const cited = authEventIdsOf(this.#eventOf(eventId).pdu)
    const chain = new Set(cited.flatMap((authId) => [authId, ...this.#authChain(authId)]))
    this.#chains.set(eventId, chain)
    return chain
  }

  /**
   * What of the event's auth chain is in the full conflicted set. In v2.1 that set has no gaps. In v2 a chain can leave it and enter it
   * again; deployed servers do not look beyond the gap, and rooms only stay whole when all servers do the same.
   */
  #conflictedChain(eventId: EventId, full: ReadonlySet<EventId>): ReadonlySet<EventId> {
    if (this.#version.stateResolution === 'v2.1') return this.#authChain(eventId).intersection(full)
    const cited = authEventIdsOf(this.#eventOf(eventId).pdu).filter((authId) => full.has(authId))
    return new Set(cited.flatMap((authId) => [authId, ...this.#conflictedChain(authId, full)]))
  }

  /** The chains include the states themselves, as in all implementations. */
  #authDifference(stateSets: readonly ReadonlyStateMap<EventId>[]): Set<EventId> {
    const chains = stateSets.map((state) => new Set([...state.values()].flatMap((eventId) => [eventId, ...this.#authChain(eventId)])))
    const union = chains.reduce((left, right) => left.union(right))
    const intersection = chains.reduce((left, right) => left.intersection(right))
    return union.difference(intersection)
  }

  #subgraph(conflicted: ReadonlySet<EventId>): Set<EventId> {
    const below = [...conflicted].flatMap((eventId) => [eventId, ...this.#authChain(eventId)])
    const leadsToConflicted = (eventId: EventId): boolean => conflicted.has(eventId) || !this.#authChain(eventId).isDisjointFrom(conflicted)
    return new Set(below.filter(leadsToConflicted))
  }

  #isPowerEvent(eventId: EventId): boolean {
    const { type, state_key: stateKey, sender, content } = this.#eventOf(eventId).pdu
    if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return stateKey === ''
    return type === 'm.room.member' && sender !== stateKey && (content['membership'] === 'leave' || content['membership'] === 'ban')
  }

  /** The smallest of the events whose conflicted auth chain is already in the order, again and again. */
  #powerOrder(picked: ReadonlySet<EventId>, chain: (eventId: EventId) => ReadonlySet<EventId>): EventId[] {
    const left = new Set(picked)
    const order: EventId[] = []
    while (left.size > 0) {
      const ready = [...left].filter((eventId) => chain(eventId).isDisjointFrom(left))
      const [smallest] = ready.sort((x, y) => this.#senderPower(y, x) || this.#byTimeAndId(x, y))
      if (smallest === undefined) throw new Error('Auth events form a cycle')
      order.push(smallest)
      left.delete(smallest)
    }
    return order
  }

  /** Positive when the left sender has more power. */
  #senderPower(left: EventId, right: EventId): number {
    const [leftPower, rightPower] = [left, right].map((eventId) => {
      const { pdu } = this.#eventOf(eventId)
      const createEvent = this.#createEventFor(eventId)
      return powerLevelOf(pdu.sender, this.#citedPowerLevels(eventId)?.pdu.content, createEvent?.pdu, this.#version)
    }) as [number, number]
    return leftPower === rightPower ? 0 : leftPower > rightPower ? 1 : -1
  }

  #byTimeAndId(left: EventId, right: EventId): number {
    const [x, y] = [this.#eventOf(left).pdu.origin_server_ts, this.#eventOf(right).pdu.origin_server_ts]
    return x - y || (left < right ? -1 : 1)
  }

  #mainlineOrder(events: ReadonlySet<EventId>, state: ReadonlyStateMap<EventId>): EventId[] {
    const powerLevels = state.get(stateKeyOf('m.room.power_levels', ''))
    const mainline = powerLevels === undefined ? [] : [powerLevels, ...this.#line(powerLevels)]
    const position = (eventId: EventId): number => {
      const met = this.#line(eventId).find((ancestor) => mainline.includes(ancestor))
      return met === undefined ? Infinity : mainline.indexOf(met)
    }
    return [...events].sort((x, y) => {
      const [xPosition, yPosition] = [position(x), position(y)]
      return xPosition === yPosition ? this.#byTimeAndId(x, y) : xPosition > yPosition ? -1 : 1
    })
  }

  /** The power levels that the event cites, those that these cite, and so on. */
  #line(eventId: EventId): EventId[] {
    const cited = this.#citedPowerLevels(eventId)
    return cited === undefined ? [] : [cited.eventId, ...this.#line(cited.eventId)]
  }

  #check(order: readonly EventId[], start: ReadonlyStateMap<EventId>): StateMap<EventId> {
    const state: StateMap<EventId> = new Map(start)
    for (const eventId of order) {
      const event = this.#eventOf(eventId)
      const cited = authEventIdsOf(event.pdu)
        .map((authId) => this.#eventOf(authId))
        .filter(({ rejected }) => !rejected)
      const needed = new Map([
        ...cited.map((authEvent) => [keyOf(authEvent), authEvent] as const),
        ...[...state].map(([key, stateId]) => [key, this.#eventOf(stateId)] as const),
      ])
      const context = { createEvent: this.#createEventFor(eventId) }
      const outcome = authorise(event, (type, stateKey) => needed.get(stateKeyOf(type, stateKey)), this.#version, context)
      if (outcome.kind === 'allowed') state.set(keyOf(event), eventId)
    }
    return state
  }

  #citedPowerLevels(eventId: EventId): AuthEvent | undefined {
    return this.#cited(eventId, 'm.room.power_levels')
  }

  #createEventFor(eventId: EventId): AuthEvent | undefined {
    if (!this.#version.roomIdIsCreateEvent) return this.#cited(eventId, 'm.room.create')
    const roomId = this.#eventOf(eventId).pdu.room_id
    return this.#eventOf(roomId === undefined ? eventId : createEventIdOf(roomId))
  }

  #cited(eventId: EventId, type: string): AuthEvent | undefined {
    const cited = authEventIdsOf(this.#eventOf(eventId).pdu).map((authId) => this.#eventOf(authId))
    return cited.find(({ pdu }) => pdu.type === type && pdu.state_key === '')
  }
}

function unconflictedOf(stateSets: readonly ReadonlyStateMap<EventId>[]): StateMap<EventId> {
  const [first = new Map<StateKey, EventId>()] = stateSets
  return new Map([...first].filter(([key, eventId]) => stateSets.every((state) => state.get(key) === eventId)))
}

function conflictedOf(stateSets: readonly ReadonlyStateMap<EventId>[], unconflicted: ReadonlyStateMap<EventId>): Set<EventId> {
  return new Set(stateSets.flatMap((state) => [...state].filter(([key]) => !unconflicted.has(key)).map(([, eventId]) => eventId)))
}

function keyOf({ pdu }: AuthEvent): StateKey {
  return stateKeyOf(pdu.type, pdu.state_key ?? '')
}
