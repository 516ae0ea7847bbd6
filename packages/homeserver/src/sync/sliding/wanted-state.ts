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
  /** Equal for equal sets. */
  readonly name: string

  constructor(parts: readonly RequiredState[]) {
    const distinct = new Map(parts.map((part) => [JSON.stringify(part), part]))
    this.#parts = [...distinct.values()]
    this.lazyMembers = parts.some((part) => part.lazyMembers)
    this.name = [...distinct.keys()].toSorted().join(' ')
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

export function combine(configs: readonly RoomConfig[]): WantedRoom {
  return {
    timelineLimit: Math.max(0, ...configs.map((config) => config.timelineLimit)),
    heroes: configs.some((config) => config.heroes),
    state: new WantedState(configs.map((config) => config.requiredState)),
  }
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
