import { isJsonObject, type JsonObject, type JsonValue, ownMember, ownString, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { parsePropertyPath, propertyAt } from '../property-path.ts'
import { globMatches } from './glob.ts'
import { type PushAction, type PushCondition, type PushRule, type PushRuleKind, pushRuleKinds, type PushRuleset } from './push-rule.ts'

/** What the rules can ask about an event's surroundings. */
export interface PushSurroundings {
  readonly userId: UserId
  /** The user's display name in the room. */
  readonly displayName: string | undefined
  readonly joinedMembers: number
  /** Whether the event's sender may notify everyone by that key (`room`). */
  readonly senderMayNotify: (key: string) => boolean
}

export interface PushEvent {
  readonly type: string
  readonly sender: string
  readonly room_id: string
  readonly state_key?: string
  readonly content: JsonObject
}

export interface PushVerdict {
  readonly notify: boolean
  readonly highlight: boolean
  /** Of the rule that matched; none where no rule did. */
  readonly actions: readonly PushAction[]
}

/**
 * What one user's rules say of an event of somebody else: the actions of the first rule that matches.
 * @see https://spec.matrix.org/latest/client-server-api/#push-rules
 */
export function evaluatePush(rules: PushRuleset, event: PushEvent, surroundings: PushSurroundings): PushVerdict {
  const judged: Judged = { event, surroundings, stepsLeft: limits.implementation.pushPatternStepsMax }
  for (const kind of pushRuleKinds) {
    const matched = rules[kind].find((rule) => rule.enabled && ruleMatches(kind, rule, judged))
    if (matched !== undefined) return verdictOf(matched)
  }
  return { notify: false, highlight: false, actions: [] }
}

/** Rules are from one stranger and texts from another; what they cost together is bounded, and what is beyond it matches nothing. */
interface Judged {
  readonly event: PushEvent
  readonly surroundings: PushSurroundings
  stepsLeft: number
}

function verdictOf(rule: PushRule): PushVerdict {
  const notify = rule.actions.includes('notify')
  const tweak = rule.actions.find((action) => isJsonObject(action) && action['set_tweak'] === 'highlight')
  // Rules from before v1.7 of the specification may still say not to notify, which is what no action at all says.
  const actions = rule.actions.filter((action) => action !== 'dont_notify' && action !== 'coalesce')
  return { notify, highlight: notify && isJsonObject(tweak) && tweak['value'] !== false, actions }
}

function ruleMatches(kind: PushRuleKind, rule: PushRule, judged: Judged): boolean {
  const { event } = judged
  switch (kind) {
    case 'override':
    case 'underride':
      return (rule.conditions ?? []).every((condition) => conditionMatches(condition, judged))
    case 'content':
      return wordMatches(judged, ownString(event.content, 'body'), rule.pattern)
    case 'room':
      return rule.rule_id === event.room_id
    case 'sender':
      return rule.rule_id === event.sender
  }
}

function conditionMatches(condition: PushCondition, judged: Judged): boolean {
  const { event, surroundings } = judged
  const key = ownString(condition, 'key') ?? ''
  switch (ownString(condition, 'kind')) {
    case 'event_match': {
      const pattern = ownString(condition, 'pattern')
      const value = propertyOf(event, key)
      if (pattern === undefined || typeof value !== 'string') return false
      return key === 'content.body' ? wordMatches(judged, value, pattern) : affords(judged, pattern, value) && globMatches(pattern, value)
    }
    case 'event_property_is': {
      const wanted = ownMember(condition, 'value')
      return wanted !== undefined && propertyOf(event, key) === wanted
    }
    case 'event_property_contains': {
      const values = propertyOf(event, key)
      const wanted = ownMember(condition, 'value')
      return Array.isArray(values) && values.some((value) => value === wanted)
    }
    case 'contains_display_name':
      return (
        surroundings.displayName !== undefined && wordMatches(judged, ownString(event.content, 'body'), surroundings.displayName, false)
      )
    case 'room_member_count':
      return countMatches(surroundings.joinedMembers, ownString(condition, 'is') ?? '')
    case 'sender_notification_permission':
      return surroundings.senderMayNotify(key)
    default:
      return false
  }
}

/** The pattern somewhere in the text, with word boundaries on both sides. */
function wordMatches(judged: Judged, text: string | undefined, pattern: string | undefined, glob = true): boolean {
  if (text === undefined || pattern === undefined || pattern === '') return false
  return affords(judged, pattern, text) && globMatches(pattern, text, { words: true, wildcards: glob })
}

function affords(judged: Judged, pattern: string, text: string): boolean {
  const steps = /[*?]/.test(pattern) ? pattern.length * text.length : pattern.length + text.length
  if (steps > judged.stepsLeft) return false
  judged.stepsLeft -= steps
  return true
}

function countMatches(count: number, condition: string): boolean {
  const parsed = /^(==|<=|>=|<|>)?(\d{1,9})$/.exec(condition)
  if (parsed === null) return false
  const bound = Number(parsed[2])
  switch (parsed[1]) {
    case '<':
      return count < bound
    case '>':
      return count > bound
    case '<=':
      return count <= bound
    case '>=':
      return count >= bound
    default:
      return count === bound
  }
}

function propertyOf(event: PushEvent, path: string): JsonValue | undefined {
  return propertyAt({ ...event }, parsePropertyPath(path))
}
