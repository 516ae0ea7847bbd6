import { type ClientContract, PASSWORD, withPassword } from '../client-contract.test-support.ts'
import { TestUser } from '../../src/client-api/test-node.test-support.ts'

/** Registering, logging in and out, devices, and what a server says of itself. */
export async function callAccounts(contract: ClientContract): Promise<void> {
  await callDiscovery(contract)
  await callRegistration(contract)
  await callSessions(contract)
  await callDevices(contract)
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
  await contract.ask(alice, 'getProtocols')
  await contract.ask(alice, 'getAccount3PIDs')
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
  await contract.ask(home, 'login', { body: { ...wrong, type: 'm.login.token', token: 'none' } }, 400)
}

async function callDevices(contract: ClientContract): Promise<void> {
  const dora = await logIn(contract, 'dora')
  const [second, third] = [await logIn(contract, 'dora'), await logIn(contract, 'dora')]
  await contract.ask(dora, 'getDevices')
  const path = { deviceId: second.deviceId }
  await contract.ask(dora, 'updateDevice', { path, body: { display_name: 'A spoon' } })
  await contract.ask(dora, 'getDevice', { path })
  await contract.ask(dora, 'getDevice', { path: { deviceId: 'NONE' } }, 404)
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
