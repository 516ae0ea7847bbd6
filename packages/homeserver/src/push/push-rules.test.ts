import type { JsonObject, UserId } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { PushRules } from './push-rules.ts'

const bob = '@bob:example.org' as UserId

test('rules that are read while they change are not remembered as they were', async () => {
  const reading = Promise.withResolvers<JsonObject | undefined>()
  const rules = new PushRules({
    get: async () => reading.promise,
    update: async (_userId, _roomId, _type, change) => void change(undefined),
  })
  const read = rules.get(bob)
  expect(await rules.put(bob, 'override', 'mine', { actions: [] }, {})).toBe('changed')
  reading.resolve(undefined)
  for (const found of [await read, await rules.get(bob)]) expect(found.override.map((rule) => rule.rule_id)).toContain('mine')
})
