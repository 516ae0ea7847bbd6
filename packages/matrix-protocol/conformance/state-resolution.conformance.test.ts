import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AuthEvent,
  type EventId,
  type Pdu,
  prevEventIdsOf,
  type ReadonlyStateMap,
  resolveState,
  roomVersion,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
  type StateMap,
} from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'

/** The vectors lie beside the project's tree, or where KITH_SHARED says. Without them these tests fail: nothing would be tested. */
const folder = join(process.env['KITH_SHARED'] ?? '../shared', 'state-res-vectors')

interface VectorCase {
  readonly name: string
  readonly why: string
  readonly batches: readonly string[]
  readonly stateMaps: readonly string[] | null
  readonly expected: string
}

type VectorPdu = Pdu & { readonly event_id: EventId; readonly state_key: string }

function read(path: string): unknown {
  return JSON.parse(readFileSync(join(folder, path), 'utf8'))
}

class VectorRoom {
  readonly #events = new Map<EventId, AuthEvent>()
  readonly #version: RoomVersion
  readonly #lookup = { event: (eventId: EventId): AuthEvent | undefined => this.#events.get(eventId) }
  readonly batches: readonly (readonly VectorPdu[])[]

  constructor(paths: readonly string[]) {
    this.batches = paths.map((path) => read(join('fixtures', path)) as VectorPdu[])
    for (const pdu of this.batches.flat()) this.#events.set(pdu.event_id, { eventId: pdu.event_id, pdu, rejected: false })
    const version = roomVersion(this.batches[0]?.[0]?.content['room_version'])
    if (version === undefined) throw new Error('The first event of a case must create a room of a supported version')
    this.#version = version
  }

  resolve(states: readonly ReadonlyStateMap<EventId>[]): StateMap<EventId> {
    return resolveState(this.#version, states, this.#lookup)
  }

  stateFrom(eventIds: readonly EventId[]): StateMap<EventId> {
    return new Map(eventIds.map((eventId) => [this.keyOf(eventId), eventId]))
  }

  keyOf(eventId: EventId): StateKey {
    const pdu = this.#events.get(eventId)?.pdu
    if (pdu?.state_key === undefined) throw new Error(`${eventId} is no state event of the case`)
    return stateKeyOf(pdu.type, pdu.state_key)
  }
}

/** As a server would: the state after an event is the resolved state of its previous events, with the event in it. */
function resolveOneByOne(room: VectorRoom): StateMap<EventId> {
  const after = new Map<EventId, StateMap<EventId>>()
  const leaves = new Set<EventId>()
  let waiting = room.batches.flat()
  while (waiting.length > 0) {
    const blocked: VectorPdu[] = []
    for (const pdu of waiting) {
      const before = prevEventIdsOf(pdu)
        .map((eventId) => after.get(eventId))
        .filter((state) => state !== undefined)
      if (before.length < prevEventIdsOf(pdu).length) {
        blocked.push(pdu)
        continue
      }
      after.set(pdu.event_id, new Map(room.resolve(before)).set(room.keyOf(pdu.event_id), pdu.event_id))
      leaves.add(pdu.event_id)
      for (const eventId of prevEventIdsOf(pdu)) leaves.delete(eventId)
    }
    if (blocked.length === waiting.length) throw new Error('The previous events of a case must be in it')
    waiting = blocked
  }
  return room.resolve([...leaves].map((eventId) => after.get(eventId) ?? new Map<StateKey, EventId>()))
}

/** Each event as a state map of its own, together with the state that came out of the batch before. */
function resolveBatches(room: VectorRoom, batches: readonly (readonly VectorPdu[])[]): StateMap<EventId> {
  let state: StateMap<EventId> | undefined
  for (const batch of batches) {
    const events = batch.map((pdu) => room.stateFrom([pdu.event_id]))
    state = room.resolve(state === undefined ? events : [state, ...events])
  }
  return state ?? new Map()
}

const cases = read('cases.json') as VectorCase[]

function prepare({ batches, expected }: VectorCase): { room: VectorRoom; expectedState: StateMap<EventId> } {
  const room = new VectorRoom(batches)
  const events = read(expected) as { event_id: EventId }[]
  return { room, expectedState: room.stateFrom(events.map((event) => event.event_id)) }
}

describe.each(cases.filter(({ stateMaps }) => stateMaps === null))('$name: $why', (vectorCase) => {
  const { room, expectedState } = prepare(vectorCase)
  test('event by event', () => expect(resolveOneByOne(room)).toEqual(expectedState))
  test('batch by batch', () => expect(resolveBatches(room, room.batches)).toEqual(expectedState))
  test('all at once', () => expect(resolveBatches(room, [room.batches.flat()])).toEqual(expectedState))
})

describe.each(cases.filter(({ stateMaps }) => stateMaps !== null))('$name: $why', (vectorCase) => {
  const { room, expectedState } = prepare(vectorCase)
  const states = (vectorCase.stateMaps ?? []).map((path) => room.stateFrom(read(join('fixtures', path)) as EventId[]))
  test('the given states', () => expect(room.resolve(states)).toEqual(expectedState))
  test('the given states the other way round', () => expect(room.resolve(states.toReversed())).toEqual(expectedState))
})

test('all cases are there', () => expect(cases).toHaveLength(11))
