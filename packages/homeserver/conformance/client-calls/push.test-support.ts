import type { ClientContract } from '../client-contract.test-support.ts'

/** Push rules, pushers, and what was notified. */
export async function callPush(contract: ClientContract): Promise<void> {
  const { alice, roomId } = contract
  await contract.ask(alice, 'getPushRules')
  await contract.ask(alice, 'getPushRulesGlobal')
  const path = { kind: 'content', ruleId: 'cakes' }
  await contract.ask(alice, 'setPushRule', { path, body: { actions: ['notify'], pattern: 'cake' } })
  const place = { before: 'cakes' }
  await contract.ask(alice, 'setPushRule', { path: { ...path, ruleId: 'pies' }, query: place, body: { actions: [], pattern: 'pie' } })
  await contract.ask(alice, 'setPushRule', {
    path: { kind: 'override', ruleId: 'own' },
    body: {
      actions: ['notify', { set_tweak: 'sound', value: 'default' }],
      conditions: [{ kind: 'event_match', key: 'type', pattern: 'x' }],
    },
  })
  await contract.ask(alice, 'setPushRule', { path: { kind: 'room', ruleId: roomId }, body: { actions: [] } })
  await contract.ask(alice, 'setPushRule', { path, query: { after: 'none' }, body: { actions: [], pattern: 'x' } }, 400)
  await contract.ask(alice, 'setPushRule', { path: { ...path, ruleId: '.own' }, body: { actions: [], pattern: 'x' } }, 400)
  await contract.ask(alice, 'getPushRule', { path })
  await contract.ask(alice, 'setPushRuleEnabled', { path, body: { enabled: false } })
  await contract.ask(alice, 'isPushRuleEnabled', { path })
  await contract.ask(alice, 'setPushRuleActions', { path, body: { actions: ['notify', { set_tweak: 'highlight' }] } })
  await contract.ask(alice, 'getPushRuleActions', { path })
  await contract.ask(alice, 'deletePushRule', { path })
  for (const id of ['getPushRule', 'isPushRuleEnabled', 'getPushRuleActions', 'deletePushRule'])
    await contract.ask(alice, id, { path }, 404)
  await contract.ask(alice, 'setPushRuleEnabled', { path, body: { enabled: true } }, 404)
  await contract.ask(alice, 'setPushRuleActions', { path, body: { actions: [] } }, 404)
  await callPushers(contract)
}

async function callPushers(contract: ClientContract): Promise<void> {
  const { alice } = contract
  const pusher = {
    kind: 'http',
    app_id: 'org.example.app',
    pushkey: 'abc',
    app_display_name: 'Example',
    device_display_name: 'A clock',
    lang: 'en',
    data: { url: 'https://push.example.org/_matrix/push/v1/notify', format: 'event_id_only' },
  }
  await contract.ask(alice, 'postPusher', { body: pusher })
  await contract.ask(alice, 'getPushers')
  await contract.ask(contract.bob, 'postPusher', { body: pusher }, 400)
  await contract.ask(alice, 'postPusher', { body: { kind: null, app_id: pusher.app_id, pushkey: pusher.pushkey } })
  await contract.ask(alice, 'getNotifications', { query: { limit: 5, only: 'highlight' } })
}
