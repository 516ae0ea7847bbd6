import { encodeUtf8, sha256 } from '@kith/matrix-protocol'
import type { RoomConfig, RequiredState, StatePattern } from './sliding-request.ts'

/** What all the lists and subscriptions that a room is part of want of it, together. */
export interface WantedRoom {
  readonly timelineLimit: number
  readonly heroes: boolean
  readonly state: WantedState
}

/** A set of state entries; holds whatever any of its parts holds. */
export class WantedState {
  readonly #parts: readonly RequiredState[]
  readonly lazyMembers: boolean
  /** Equal for equal sets, and short: it is remembered with each room. */
  readonly name: string

  constructor(name: string, parts: readonly RequiredState[]) {
    this.name = name
    this.#parts = parts
    this.lazyMembers = parts.some((part) => part.lazyMembers)
  }

  has(type: string, stateKey: string): boolean {
    return this.#parts.some((part) => holds(part, type, stateKey))
  }

  /** Single entries that may be part of the set; undefined when it can only be found by looking at the whole state. */
  entries(): readonly { readonly type: string; readonly stateKey: string }[] | undefined {
    const entries: { type: string; stateKey: string }[] = []
    for (const { include } of this.#parts) {
      for (const { type, stateKey } of include) {
        if (type === undefined || stateKey === undefined) return undefined
        entries.push({ type, stateKey })
      }
    }
    return entries
  }
}

/** The sets that a connection asks for. Many rooms share each of them, and so do the requests that follow each other. */
export class WantedStates {
  readonly #names = new WeakMap<RequiredState, string>()
  #before: ReadonlyMap<string, WantedState> = new Map()
  #states = new Map<string, WantedState>()

  /** The sets of the request before this one stay at hand; older ones only with the rooms that were told of by them. */
  begin(): void {
    this.#before = this.#states
    this.#states = new Map()
  }

  combine(configs: readonly RoomConfig[]): WantedRoom {
    const parts = new Map(configs.map(({ requiredState }) => [this.#nameOf(requiredState), requiredState]))
    const names = [...parts.keys()].toSorted().join(' ')
    return {
      timelineLimit: Math.max(0, ...configs.map((config) => config.timelineLimit)),
      heroes: configs.some((config) => config.heroes),
      state: this.#states.getOrInsertComputed(
        names,
        () => this.#before.get(names) ?? new WantedState(parts.size > 1 ? hashOf(names) : names, [...parts.values()]),
      ),
    }
  }

  #nameOf(part: RequiredState): string {
    const known = this.#names.get(part)
    if (known !== undefined) return known
    const name = hashOf(JSON.stringify(part))
    this.#names.set(part, name)
    return name
  }
}

function hashOf(text: string): string {
  return sha256(encodeUtf8(text)).toBase64()
}

/** Whether a client that asks for this takes the members that it is told of for all there are. */
export function wantsAllMembers(required: RequiredState): boolean {
  return required.include.some((pattern) => pattern.stateKey === undefined && covers(pattern, 'm.room.member', '', required.lazyMembers))
}

function holds({ include, exclude, lazyMembers }: RequiredState, type: string, stateKey: string): boolean {
  return (
    include.some((pattern) => covers(pattern, type, stateKey, lazyMembers)) &&
    !exclude.some((pattern) => covers(pattern, type, stateKey, false))
  )
}

function covers(pattern: StatePattern, type: string, stateKey: string, lazyMembers: boolean): boolean {
  // "Everything" beside lazily loaded members means everything else.
  if (lazyMembers && type === 'm.room.member' && pattern.type === undefined && pattern.stateKey === undefined) return false
  return (pattern.type ?? type) === type && (pattern.stateKey ?? stateKey) === stateKey
}
