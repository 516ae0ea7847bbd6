import { type ClientContract, PASSWORD, withPassword } from '../client-contract.test-support.ts'
import { TestUser } from '../../src/client-api/test-node.test-support.ts'

/** Registering, logging in and out, devices, and what a server says of itself. */
export async function callAccounts(contract: ClientContract): Promise<void> {
  await callDiscovery(contract)
  await callRegistration(contract)
  await callSessions(contract)
  await callDevices(contract)
  await callModeration(contract)
  await callEndOfAccount(contract)
}

async function callDiscovery(contract: ClientContract): Promise<void> {
  const { home, alice } = contract
  await contract.ask(home, 'getVersions')
  await contract.ask(home, 'getWellknown')
  await contract.ask(alice, 'getCapabilities')
  await contract.ask(alice, 'getTurnServer')
  await contract.ask(alice, 'getTokenOwner')
  await contract.ask(alice, 'requestOpenIdToken', { path: { userId: alice.userId }, body: {} })
}

async function callRegistration(contract: ClientContract): Promise<void> {
  const { home } = contract
  await contract.ask(home, 'checkUsernameAvailability', { query: { username: 'dora' } })
  const wish = { username: 'dora', password: PASSWORD, initial_device_display_name: 'A clock', inhibit_login: false }
  const { session } = await contract.ask(home, 'register', { body: wish }, 401)
  await contract.ask(home, 'register', { body: { ...wish, auth: { type: 'm.login.dummy', session } } })
  await contract.ask(home, 'register', { body: wish }, 400)
  await contract.ask(home, 'checkUsernameAvailability', { query: { username: 'dora' } }, 400)
  await contract.ask(home, 'register', { query: { kind: 'guest' }, body: {} }, 403)
}

async function callSessions(contract: ClientContract): Promise<void> {
  const { home } = contract
  await contract.ask(home, 'getLoginFlows')
  const first = await logIn(contract, 'dora')
  await contract.ask(first, 'logout')
  await contract.ask(first, 'getTokenOwner', {}, 401)
  const second = await logIn(contract, 'dora')
  await contract.ask(second, 'logout_all')
  const wrong = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'dora' }, password: 'wrong' }
  await contract.ask(home, 'login', { body: wrong }, 403)
  await contract.ask(home, 'login', { body: { ...wrong, type: 'm.login.token', token: 'none' } }, 403)
  await contract.ask(home, 'login', { body: { ...wrong, type: 'm.login.none' } }, 400)
  await callTokens(contract)
}

async function callTokens(contract: ClientContract): Promise<void> {
  const { home } = contract
  const dora = await logIn(contract, 'dora')
  const { login_token: token } = await withPassword(contract, dora, 'generateLoginToken', {})
  const { refresh_token } = await contract.ask(home, 'login', { body: { type: 'm.login.token', token, refresh_token: true } })
  await contract.ask(home, 'refresh', { body: { refresh_token } })
  await contract.ask(home, 'refresh', { body: { refresh_token: 'none' } }, 401)
  await contract.ask(home, 'registrationTokenValidity', { query: { token: 'none' } })
}

async function callModeration(contract: ClientContract): Promise<void> {
  const { alice, carol } = contract
  const path = { userId: carol.userId }
  await contract.ask(carol, 'getWhoIs', { path })
  await contract.ask(alice, 'getWhoIs', { path })
  await contract.ask(alice, 'setAdminSuspendUser', { path, body: { suspended: true } })
  await contract.ask(alice, 'getAdminSuspendUser', { path })
  await contract.ask(alice, 'setAdminSuspendUser', { path, body: { suspended: false } })
  await contract.ask(alice, 'setAdminLockUser', { path, body: { locked: true } })
  await contract.ask(carol, 'getTokenOwner', {}, 401)
  await contract.ask(alice, 'getAdminLockUser', { path })
  await contract.ask(alice, 'setAdminLockUser', { path, body: { locked: false } })
  const own = { userId: alice.userId }
  const [unknown, foreign] = [{ userId: `@none:${contract.home.identity.server}` }, { userId: contract.bob.userId }]
  for (const [asker, user, status] of [
    [carol, own, 403],
    [alice, own, 403],
    [alice, unknown, 404],
    [alice, foreign, 400],
  ] as const) {
    await contract.ask(asker, 'getAdminSuspendUser', { path: user }, status)
    await contract.ask(asker, 'setAdminSuspendUser', { path: user, body: { suspended: true } }, status)
    await contract.ask(asker, 'getAdminLockUser', { path: user }, status)
    await contract.ask(asker, 'setAdminLockUser', { path: user, body: { locked: true } }, status)
  }
}

async function callDevices(contract: ClientContract): Promise<void> {
  const dora = await logIn(contract, 'dora')
  const [second, third] = [await logIn(contract, 'dora'), await logIn(contract, 'dora')]
  await contract.ask(dora, 'getDevices')
  const path = { deviceId: second.deviceId }
  await contract.ask(dora, 'updateDevice', { path, body: { display_name: 'A spoon' } })
  await contract.ask(dora, 'getDevice', { path })
  await contract.ask(dora, 'getDevice', { path: { deviceId: 'NONE' } }, 404)
  const { carol } = contract
  await contract.ask(carol, 'getDevices')
  await contract.ask(carol, 'getDevice', { path: { deviceId: carol.deviceId } })
  await withPassword(contract, dora, 'deleteDevice', {}, path)
  await withPassword(contract, dora, 'deleteDevices', { devices: [third.deviceId] })
  await contract.ask(dora, 'updateDevice', { path, body: {} }, 404)
}

async function callEndOfAccount(contract: ClientContract): Promise<void> {
  const dora = await logIn(contract, 'dora')
  const newPassword = `${PASSWORD}!`
  await withPassword(contract, dora, 'changePassword', { new_password: newPassword, logout_devices: true })
  await withPassword(contract, dora, 'deactivateAccount', { erase: true }, {}, newPassword)
  await contract.ask(dora, 'getTokenOwner', {}, 401)
}

async function logIn(contract: ClientContract, user: string): Promise<TestUser> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: PASSWORD }
  return new TestUser(contract.home, await contract.ask(contract.home, 'login', { body }))
}
