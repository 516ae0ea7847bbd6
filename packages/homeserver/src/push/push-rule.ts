import type { JsonObject } from '@kith/matrix-protocol'

export const pushRuleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const
export type PushRuleKind = (typeof pushRuleKinds)[number]

/** A condition as clients write it; one of an unknown kind never matches. */
export type PushCondition = JsonObject

export type PushAction = string | JsonObject

export interface PushRule {
  readonly rule_id: string
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: readonly PushAction[]
  /** Of override and underride rules. */
  readonly conditions?: readonly PushCondition[]
  /** Of content rules: a glob over the body. */
  readonly pattern?: string
}

/** Rules by kind, in the order in which they are tried. */
export type PushRuleset = Readonly<Record<PushRuleKind, readonly PushRule[]>>

/** What a client may set of a rule. */
export interface PushRuleDraft {
  readonly actions: readonly PushAction[]
  readonly conditions?: readonly PushCondition[]
  readonly pattern?: string
}
