import { isJsonObject, type JsonObject, ownMember, ownObject, type UserId } from '@kith/matrix-protocol'
import type { AccountData } from '../accounts/account-data.ts'
import { limits } from '../limits.ts'
import { defaultPushRules } from './default-rules.ts'
import { type PushAction, type PushRule, type PushRuleDraft, type PushRuleKind, pushRuleKinds, type PushRuleset } from './push-rule.ts'

export type ChangeRuleOutcome = 'changed' | 'not-found' | 'default-rule' | 'unknown-neighbour' | 'too-many' | 'too-large'

const accountDataType = 'm.push_rules'

/**
 * Each user's push rules, stored as account data of type `m.push_rules`. Of the stored predefined rules only `enabled` and `actions`
 * count, so that later versions can change what they match.
 */
export class PushRules {
  readonly #accountData: Pick<AccountData, 'get' | 'update'>
  readonly #cache = new Map<UserId, PushRuleset>()

  constructor(accountData: Pick<AccountData, 'get' | 'update'>) {
    this.#accountData = accountData
  }

  async get(userId: UserId): Promise<PushRuleset> {
    const cached = this.#cache.get(userId)
    if (cached !== undefined) return cached
    const stored = await this.#accountData.get(userId, '', accountDataType)
    // Rules that were changed meanwhile are newer than what was read.
    const rules = this.#cache.get(userId) ?? merge(defaultPushRules(userId), readStored(stored))
    this.#cache.set(userId, rules)
    return rules
  }

  /** As sent to clients: account data and `GET /pushrules/`. */
  async content(userId: UserId): Promise<JsonObject> {
    return { global: (await this.get(userId)) as unknown as JsonObject }
  }

  async put(
    userId: UserId,
    kind: PushRuleKind,
    ruleId: string,
    draft: PushRuleDraft,
    place: { before?: string; after?: string },
  ): Promise<ChangeRuleOutcome> {
    return this.#change(userId, (rules) => {
      if (ruleId.startsWith('.')) return 'default-rule'
      const userRules = rules[kind].filter((rule) => !rule.default)
      const own = userRules.filter((rule) => rule.rule_id !== ruleId)
      if (own.length >= limits.implementation.pushRulesPerKindMax) return 'too-many'
      const existing = rules[kind].find((rule) => rule.rule_id === ruleId)
      const added: PushRule = { rule_id: ruleId, default: false, enabled: existing?.enabled ?? true, ...draft }
      const neighbour = place.before ?? place.after
      const index = own.findIndex((rule) => rule.rule_id === neighbour)
      if (neighbour !== undefined && index === -1) return 'unknown-neighbour'
      // A new rule goes above all; one that is only changed stays where it is.
      const present = Math.max(
        0,
        userRules.findIndex((rule) => rule.rule_id === ruleId),
      )
      const at = neighbour === undefined ? present : place.before === undefined ? index + 1 : index
      return fitting(added, { ...rules, [kind]: [...own.toSpliced(at, 0, added), ...rules[kind].filter((rule) => rule.default)] })
    })
  }

  async remove(userId: UserId, kind: PushRuleKind, ruleId: string): Promise<ChangeRuleOutcome> {
    return this.#change(userId, (rules) => {
      const found = rules[kind].find((rule) => rule.rule_id === ruleId)
      if (found === undefined) return 'not-found'
      if (found.default) return 'default-rule'
      return { ...rules, [kind]: rules[kind].filter((rule) => rule !== found) }
    })
  }

  async update(
    userId: UserId,
    kind: PushRuleKind,
    ruleId: string,
    change: { readonly enabled?: boolean; readonly actions?: readonly PushAction[] },
  ): Promise<ChangeRuleOutcome> {
    return this.#change(userId, (rules) => {
      const found = rules[kind].find((rule) => rule.rule_id === ruleId)
      if (found === undefined) return 'not-found'
      const changed = { ...found, ...change }
      return fitting(changed, { ...rules, [kind]: rules[kind].map((rule) => (rule === found ? changed : rule)) })
    })
  }

  async #change(
    userId: UserId,
    change: (rules: PushRuleset) => PushRuleset | Exclude<ChangeRuleOutcome, 'changed'>,
  ): Promise<ChangeRuleOutcome> {
    let outcome: ChangeRuleOutcome = 'changed'
    let changed: PushRuleset | undefined
    await this.#accountData.update(userId, '', accountDataType, (stored) => {
      const result = change(merge(defaultPushRules(userId), readStored(stored)))
      if (typeof result === 'string') {
        outcome = result
        return undefined
      }
      // Brings the rules into their order, the master rule above those of the user.
      changed = merge(defaultPushRules(userId), result)
      return { global: changed as unknown as JsonObject }
    })
    if (changed !== undefined) this.#cache.set(userId, changed)
    return outcome
  }
}

function fitting(changed: PushRule, rules: PushRuleset): PushRuleset | 'too-large' {
  const { pushRuleBytesMax, accountDataBytesMax } = limits.implementation
  const fits = JSON.stringify(changed).length <= pushRuleBytesMax && JSON.stringify(rules).length <= accountDataBytesMax
  return fits ? rules : 'too-large'
}

/** The user's own rules before the predefined ones, of which `enabled` and `actions` may have been changed. */
function merge(defaults: PushRuleset, stored: PushRuleset): PushRuleset {
  const mergeKind = (kind: PushRuleKind): PushRule[] => {
    const own = stored[kind].filter((rule) => !rule.default)
    const predefined = defaults[kind].map((rule) => {
      const changed = stored[kind].find((other) => other.default && other.rule_id === rule.rule_id)
      return changed === undefined ? rule : { ...rule, enabled: changed.enabled, actions: changed.actions }
    })
    // The master rule stands above everything.
    const master = predefined.filter((rule) => rule.rule_id === '.m.rule.master')
    return [...master, ...own, ...predefined.filter((rule) => rule.rule_id !== '.m.rule.master')]
  }
  return byKind(mergeKind)
}

function readStored(content: JsonObject | undefined): PushRuleset {
  const global = ownObject(content, 'global')
  return byKind((kind) => {
    const rules = ownMember(global, kind)
    return Array.isArray(rules)
      ? rules.filter((rule): rule is JsonObject => isJsonObject(rule)).map((rule) => rule as unknown as PushRule)
      : []
  })
}

function byKind(make: (kind: PushRuleKind) => readonly PushRule[]): PushRuleset {
  const [override, content, room, sender, underride] = pushRuleKinds
  return {
    override: make(override),
    content: make(content),
    room: make(room),
    sender: make(sender),
    underride: make(underride),
  }
}
