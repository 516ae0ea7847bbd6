import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type PushRule, type PushRuleKind, pushRuleKinds } from '../../push/push-rule.ts'
import type { ChangeRuleOutcome } from '../../push/push-rules.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { jsonObjectSchema, nameSchema } from '../schemas.ts'
import type { Session } from '../../accounts/accounts.ts'

const { pushRuleActionsMax, pushRuleConditionsMax, pushRulePatternCharactersMax } = limits.implementation

const actionSchema = v.union([nameSchema, jsonObjectSchema])
const actionsSchema = v.pipe(v.array(actionSchema), v.maxLength(pushRuleActionsMax))

const ruleSchema = v.looseObject({
  actions: actionsSchema,
  conditions: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          jsonObjectSchema,
          v.check(({ kind, key }) => typeof kind === 'string' && !isTooLong(key), 'not a condition'),
        ),
      ),
      v.maxLength(pushRuleConditionsMax),
    ),
  ),
  pattern: v.optional(v.pipe(v.string(), v.maxLength(pushRulePatternCharactersMax))),
})

export const pushEndpoints = [
  endpoint({ method: 'GET', path: '/pushrules/', handle: async (api, { session }) => api.pushRules.content(session.userId) }),
  endpoint({ method: 'GET', path: '/pushrules', handle: async (api, { session }) => api.pushRules.content(session.userId) }),
  endpoint({ method: 'GET', path: '/pushrules/global', handle: async (api, { session }) => api.pushRules.get(session.userId) }),
  endpoint({ method: 'GET', path: '/pushrules/global/', handle: async (api, { session }) => api.pushRules.get(session.userId) }),
  endpoint({
    method: 'GET',
    path: '/pushrules/global/:kind/:ruleId',
    handle: async (api, { params, session }) => findRule(api, session, kindFrom(params.kind), params.ruleId),
  }),
  endpoint({
    method: 'PUT',
    path: '/pushrules/global/:kind/:ruleId',
    body: ruleSchema,
    async handle(api, { params, session, body, query }) {
      const kind = kindFrom(params.kind)
      if (params.ruleId === '' || params.ruleId.length > 255 || /[\\/]/.test(params.ruleId))
        throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a rule id')
      if (kind === 'content' && body.pattern === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'A content rule needs a pattern')
      const draft = {
        actions: body.actions,
        ...(body.conditions !== undefined && (kind === 'override' || kind === 'underride') ? { conditions: body.conditions } : {}),
        ...(body.pattern !== undefined && kind === 'content' ? { pattern: body.pattern } : {}),
      }
      const [before, after] = [query.get('before'), query.get('after')]
      const place = before === null ? (after === null ? {} : { after }) : { before }
      return answerChange(await api.pushRules.put(session.userId, kind, params.ruleId, draft, place))
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/pushrules/global/:kind/:ruleId',
    handle: async (api, { params, session }) =>
      answerChange(await api.pushRules.remove(session.userId, kindFrom(params.kind), params.ruleId)),
  }),
  endpoint({
    method: 'GET',
    path: '/pushrules/global/:kind/:ruleId/enabled',
    handle: async (api, { params, session }) => ({ enabled: (await findRule(api, session, kindFrom(params.kind), params.ruleId)).enabled }),
  }),
  endpoint({
    method: 'PUT',
    path: '/pushrules/global/:kind/:ruleId/enabled',
    body: v.looseObject({ enabled: v.boolean() }),
    handle: async (api, { params, session, body }) =>
      answerChange(await api.pushRules.update(session.userId, kindFrom(params.kind), params.ruleId, { enabled: body.enabled })),
  }),
  endpoint({
    method: 'GET',
    path: '/pushrules/global/:kind/:ruleId/actions',
    handle: async (api, { params, session }) => ({ actions: (await findRule(api, session, kindFrom(params.kind), params.ruleId)).actions }),
  }),
  endpoint({
    method: 'PUT',
    path: '/pushrules/global/:kind/:ruleId/actions',
    body: v.looseObject({ actions: actionsSchema }),
    handle: async (api, { params, session, body }) =>
      answerChange(await api.pushRules.update(session.userId, kindFrom(params.kind), params.ruleId, { actions: body.actions })),
  }),
]

/** A key is taken apart for every event. */
function isTooLong(key: unknown): boolean {
  return typeof key === 'string' && key.length > limits.implementation.pushRuleKeyCharactersMax
}

function kindFrom(text: string): PushRuleKind {
  const kind = pushRuleKinds.find((known) => known === text)
  if (kind === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a kind of push rules')
  return kind
}

async function findRule(api: Api, session: Session, kind: PushRuleKind, ruleId: string): Promise<PushRule> {
  const rule = (await api.pushRules.get(session.userId))[kind].find((candidate) => candidate.rule_id === ruleId)
  if (rule === undefined) throw noRule()
  return rule
}

function answerChange(outcome: ChangeRuleOutcome): object {
  switch (outcome) {
    case 'changed':
      return {}
    case 'not-found':
      throw noRule()
    case 'default-rule':
      throw new MatrixError(400, 'M_INVALID_PARAM', 'Predefined rules can be disabled, not replaced or removed')
    case 'unknown-neighbour':
      throw new MatrixError(400, 'M_UNKNOWN', 'There is no rule of the user to place this one beside')
    case 'too-large':
      throw new MatrixError(413, 'M_TOO_LARGE', 'The rule, or all rules together, would be too large')
    case 'too-many':
      throw new MatrixError(400, 'M_UNKNOWN', 'There are too many rules')
  }
}

function noRule(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such push rule')
}
