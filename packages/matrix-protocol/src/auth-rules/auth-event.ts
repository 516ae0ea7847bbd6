import type { Pdu } from '../events/pdu.ts'
import type { EventId } from '../ids/ids.ts'
import type { AuthRule } from './auth-rule.ts'

/** An event together with what the auth rules need to know of it. */
export interface AuthEvent {
  readonly eventId: EventId
  readonly pdu: Pdu
  /** It failed the auth rules itself, so nothing may build upon it. */
  readonly rejected: boolean
}

/** What the rules say of an event, and which of them decided: see authRuleNumber. */
export type AuthOutcome = { readonly kind: 'allowed'; readonly rule: AuthRule } | { readonly kind: 'denied'; readonly rule: AuthRule }

/** The state that an event is checked against. */
export type AuthState = (type: string, stateKey: string) => AuthEvent | undefined

export interface AuthContext {
  /** In versions whose room id is the create event: that event, found by the room id. Others take it from the state. */
  readonly createEvent: AuthEvent | undefined
}

type AllowingRule = Extract<AuthRule, `${string}.allowed`>

/** The outcome of a rule that allows. */
export function allowed(rule: AllowingRule): AuthOutcome {
  return { kind: 'allowed', rule }
}

/** The outcome of a rule that rejects. */
export function denied(rule: Exclude<AuthRule, AllowingRule>): AuthOutcome {
  return { kind: 'denied', rule }
}
