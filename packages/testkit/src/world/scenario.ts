/** Everything about a simulated world that its seed decides. */
export interface Scenario {
  readonly seed: number
  readonly servers: readonly { readonly name: string; readonly users: readonly string[]; readonly relays: readonly string[] }[]
  readonly relays: readonly string[]
  /** Pairs of servers that find no path to each other once the rooms exist; relays and other members connect them. */
  readonly hidden: readonly (readonly [string, string])[]
  readonly rooms: readonly ScenarioRoom[]
  readonly steps: readonly Step[]
}

export interface ScenarioRoom {
  readonly name: string
  readonly version: string
  readonly joinRule: 'invite' | 'public' | 'knock' | 'restricted'
  readonly historyVisibility: 'shared' | 'joined' | 'invited'
  readonly creator: string
  /** In the room before the steps begin, besides its creator. */
  readonly members: readonly string[]
}

/** `at`: ms after the rooms exist. */
export interface Step {
  readonly at: number
  readonly action: Action
}

export type Action = UserAction | Fault

export type UserAction =
  | { readonly kind: 'send' | 'react' | 'join' | 'leave' | 'knock'; readonly user: string; readonly room: string }
  /** `pick`: which of the messages acknowledged so far. */
  | { readonly kind: 'redact'; readonly user: string; readonly room: string; readonly pick: number }
  | { readonly kind: 'name' | 'topic' | 'join-rule'; readonly user: string; readonly room: string; readonly value: string }
  | { readonly kind: 'invite' | 'kick' | 'ban' | 'unban'; readonly user: string; readonly room: string; readonly target: string }
  | { readonly kind: 'power'; readonly user: string; readonly room: string; readonly target: string; readonly level: number }

/** Faults end by themselves after `forMs`. */
export type Fault =
  /** Both directions, noticed at once. */
  | { readonly kind: 'cut'; readonly between: readonly [string, string]; readonly forMs: number }
  /** Only what the first sends to the second, and nobody is told. */
  | { readonly kind: 'cut-one-way'; readonly between: readonly [string, string]; readonly forMs: number }
  /** Nobody inside reaches anybody outside. */
  | { readonly kind: 'part'; readonly group: readonly string[]; readonly forMs: number }
  | { readonly kind: 'sleep'; readonly server: string; readonly forMs: number }
  | { readonly kind: 'crash'; readonly server: string; readonly forMs: number }
  /** At its commit number `after` from now, which reaches the disk or not. */
  | { readonly kind: 'crash-at-commit'; readonly server: string; readonly after: number; readonly durable: boolean; readonly forMs: number }
  | { readonly kind: 'restart'; readonly server: string }
  | { readonly kind: 'lose' | 'double' | 'break'; readonly percent: number; readonly forMs: number }
  | { readonly kind: 'jitter'; readonly ms: number; readonly forMs: number }

// The words of the scenario language.
export const send = (user: string, room: string): UserAction => ({ kind: 'send', user, room })
export const react = (user: string, room: string): UserAction => ({ kind: 'react', user, room })
export const join = (user: string, room: string): UserAction => ({ kind: 'join', user, room })
export const leave = (user: string, room: string): UserAction => ({ kind: 'leave', user, room })
export const redact = (user: string, room: string, pick: number): UserAction => ({ kind: 'redact', user, room, pick })
export const rename = (user: string, room: string, value: string): UserAction => ({ kind: 'name', user, room, value })
export const invite = (user: string, room: string, target: string): UserAction => ({ kind: 'invite', user, room, target })
export const kick = (user: string, room: string, target: string): UserAction => ({ kind: 'kick', user, room, target })
export const ban = (user: string, room: string, target: string): UserAction => ({ kind: 'ban', user, room, target })
export const cut = (one: string, other: string, forMs: number): Fault => ({ kind: 'cut', between: [one, other], forMs })
export const cutOneWay = (from: string, to: string, forMs: number): Fault => ({ kind: 'cut-one-way', between: [from, to], forMs })
export const part = (group: readonly string[], forMs: number): Fault => ({ kind: 'part', group, forMs })
export const sleep = (server: string, forMs: number): Fault => ({ kind: 'sleep', server, forMs })
export const crash = (server: string, forMs: number): Fault => ({ kind: 'crash', server, forMs })

export function at(ms: number, ...actions: readonly Action[]): Step[] {
  return actions.map((action) => ({ at: ms, action }))
}

/** For people who read of a failure. */
export function formatScenario(scenario: Scenario): string {
  const servers = scenario.servers.map(
    ({ name, users, relays }) => `  server ${name} with ${users.join(', ')}; relays ${relays.join(', ')}`,
  )
  const hidden = scenario.hidden.map(([one, other]) => `  ${one} and ${other} never reach each other`)
  const rooms = scenario.rooms.map(
    ({ name, version, joinRule, historyVisibility, creator, members }) =>
      `  room ${name} (version ${version}, ${joinRule}, history ${historyVisibility}) of ${creator} with ${members.join(', ')}`,
  )
  return [`seed ${scenario.seed}`, ...servers, ...hidden, ...rooms, ...scenario.steps.map(formatStep)].join('\n')
}

function formatStep(step: Step): string {
  const { kind, ...parameters } = step.action
  const words = Object.entries(parameters).map(([name, value]) => (name === 'forMs' ? `for ${seconds(Number(value))}` : String(value)))
  return `  ${seconds(step.at).padStart(12)}  ${kind} ${words.join(' ')}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`
}
