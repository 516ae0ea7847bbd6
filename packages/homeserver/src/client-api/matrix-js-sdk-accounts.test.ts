import { createClient, InteractiveAuth, type AuthDict, type MatrixClient } from 'matrix-js-sdk'
import { AuthType } from 'matrix-js-sdk/lib/interactive-auth.js'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { silenceSdk } from './quiet-sdk.test-support.ts'
import { TestNode } from './test-node.test-support.ts'

const password = 'correct horse'
let node: TestNode

beforeEach(async () => {
  silenceSdk()
  node = await TestNode.start()
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

function clientWith(login: { readonly user_id?: string; readonly access_token?: string; readonly device_id?: string } = {}): MatrixClient {
  return createClient({
    baseUrl: 'http://node.test',
    fetchFn: async (input, init) => node.clientApi(new Request(input, init)),
    ...(login.user_id === undefined ? {} : { userId: login.user_id }),
    ...(login.access_token === undefined ? {} : { accessToken: login.access_token }),
    ...(login.device_id === undefined ? {} : { deviceId: login.device_id }),
  })
}

/** As a client of the SDK goes through the stages that a server asks for. */
async function withInteractiveAuth<T>(
  client: MatrixClient,
  doRequest: (auth: AuthDict | null) => Promise<T>,
  submit: (stage: string, auth: InteractiveAuth<T>) => Promise<void>,
): Promise<T> {
  const auth: InteractiveAuth<T> = new InteractiveAuth<T>({
    matrixClient: client,
    doRequest,
    requestEmailToken: async () => ({ sid: '' }),
    stateUpdated: (stage) => void submit(stage, auth),
  })
  return auth.attemptAuth()
}

test('an unmodified client registers, renews, lets another in, and ends the account', async () => {
  const anonymous = clientWith()
  expect(await anonymous.isUsernameAvailable('alice')).toBe(true)
  const registered = await withInteractiveAuth(
    anonymous,
    async (auth) => anonymous.registerRequest({ username: 'alice', password, refresh_token: true, ...(auth === null ? {} : { auth }) }),
    async (stage, auth) => auth.submitAuthDict({ type: stage }),
  )
  expect(registered).toMatchObject({ access_token: expect.any(String), refresh_token: expect.any(String) })

  await node.world.clock.advance(limits.implementation.accessTokenLifetimeMs)
  await expect(clientWith(registered).whoami()).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN', data: { soft_logout: true } })
  const renewed = await anonymous.refreshToken(registered.refresh_token ?? '')
  const alice = clientWith({ ...registered, ...renewed })
  expect(await alice.whoami()).toMatchObject({ user_id: registered.user_id, device_id: registered.device_id })

  const passwordStage = async <T>(stage: string, auth: InteractiveAuth<T>): Promise<void> => {
    expect(stage).toBe(AuthType.Password)
    await auth.submitAuthDict({ type: AuthType.Password, identifier: { type: 'm.id.user', user: registered.user_id }, password })
  }
  const { login_token: token } = await withInteractiveAuth(
    alice,
    async (auth) => (await alice.requestLoginToken(auth ?? undefined)) as { login_token: string },
    passwordStage,
  )
  const phone = await anonymous.loginRequest({ type: 'm.login.token', token })
  const devices = async () => (await alice.getDevices()).devices.map((device) => device.device_id)
  expect(await devices()).toEqual([registered.device_id, phone.device_id])
  await withInteractiveAuth(alice, async (auth) => alice.deleteDevice(phone.device_id, auth ?? undefined), passwordStage)
  expect(await devices()).toEqual([registered.device_id])

  await alice.setExtendedProfileProperty('org.example.pronouns', 'she')
  expect(await alice.getExtendedProfile(registered.user_id)).toMatchObject({ 'org.example.pronouns': 'she' })

  await withInteractiveAuth(alice, async (auth) => alice.deactivateAccount(auth ?? undefined, true), passwordStage)
  await expect(alice.whoami()).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' })
})
