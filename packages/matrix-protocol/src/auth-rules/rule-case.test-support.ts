import type { JsonObject } from '../json/json-value.ts'
import { alice } from '../events/pdu-fixture.ts'
import type { AuthOutcome } from './auth-event.ts'
import type { AuthRule } from './auth-rule.ts'
import { bob, type RoomFixture } from './room-fixture.ts'

/** What is tried in a new room, in which Alice, who created it, is the only member. */
export type Attempt = (room: RoomFixture) => AuthOutcome

/** For one rule: an event that it decides about, and the event next to it that it leaves alone, with the opposite outcome. */
export interface RuleCase {
  /** Ends in "is rejected" or "is allowed". */
  readonly says: string
  readonly hit: Attempt
  readonly miss: Attempt
}

export type RuleCases<Rule extends AuthRule> = Readonly<Record<Rule, RuleCase>>
export type RulesOf<Prefix extends string> = Extract<AuthRule, `${Prefix}.${string}`>

/** Power levels in which Alice can do everything, in versions in which she must be listed. */
export function withAlice(room: RoomFixture, content: JsonObject = {}, users: JsonObject = {}): JsonObject {
  return { ...content, users: { ...(room.version.creatorsHaveInfinitePower ? {} : { [alice]: 100 }), ...users } }
}

/** Bob has joined, and has this power. */
export function bobWith(room: RoomFixture, power: number, content: JsonObject = {}, users: JsonObject = {}): RoomFixture {
  room.member(bob, 'join')
  room.powerLevels(withAlice(room, content, { [bob]: power, ...users }))
  return room
}
