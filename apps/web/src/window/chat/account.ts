import type { Account, Session } from './chat-database.ts'
import { NodeRefusal } from './node-api.ts'
import type { NodeRequester } from './node-api.ts'
import { usernameFrom } from './username.ts'

const deviceName = 'Kith in a browser'

/** An account that is not registered yet. Store it before registering: whoever lost the password would lose the account. */
export function newAccount(displayName: string, random: (byteCount: number) => Uint8Array): Account {
  return { displayName, username: usernameFrom(displayName), password: hex(random(24)), crossSigned: false }
}

/**
 * Registers the account at the node, or logs in when an earlier try got that far.
 * May be repeated after any failure.
 */
export async function openSession(account: Account, request: NodeRequester, signal: AbortSignal): Promise<Session> {
  const session = await registerOrLogIn(account, request, signal)
  await request({
    method: 'PUT',
    path: `v3/profile/${encodeURIComponent(session.userId)}/displayname`,
    accessToken: session.accessToken,
    body: { displayname: account.displayName },
    signal,
  })
  return session
}

/** What the server wants to see again before it changes cross-signing keys. */
export function passwordAuth(account: Account, userId: string, authSession: unknown) {
  return {
    type: 'm.login.password' as const,
    identifier: { type: 'm.id.user' as const, user: userId },
    password: account.password,
    ...(typeof authSession === 'string' ? { session: authSession } : {}),
  }
}

async function registerOrLogIn(account: Account, request: NodeRequester, signal: AbortSignal): Promise<Session> {
  try {
    return await register(account, request, signal)
  } catch (error) {
    // The node has an owner: this account, when the answer to an earlier registration was lost.
    if (error instanceof NodeRefusal && (error.errcode === 'M_USER_IN_USE' || error.errcode === 'M_FORBIDDEN')) {
      return await logIn(account, request, signal)
    }
    throw error
  }
}

async function register(account: Account, request: NodeRequester, signal: AbortSignal): Promise<Session> {
  const body = { username: account.username, password: account.password, initial_device_display_name: deviceName }
  try {
    return sessionFrom(await request({ method: 'POST', path: 'v3/register', body, signal }))
  } catch (error) {
    if (!(error instanceof NodeRefusal) || error.status !== 401) throw error
    const authSession = error.body['session']
    const auth = { type: 'm.login.dummy', ...(typeof authSession === 'string' ? { session: authSession } : {}) }
    return sessionFrom(await request({ method: 'POST', path: 'v3/register', body: { ...body, auth }, signal }))
  }
}

async function logIn(account: Account, request: NodeRequester, signal: AbortSignal): Promise<Session> {
  const body = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: account.username },
    password: account.password,
    initial_device_display_name: deviceName,
  }
  return sessionFrom(await request({ method: 'POST', path: 'v3/login', body, signal }))
}

function sessionFrom(answer: Readonly<Record<string, unknown>>): Session {
  const { user_id: userId, device_id: deviceId, access_token: accessToken } = answer
  if (typeof userId !== 'string' || typeof deviceId !== 'string' || typeof accessToken !== 'string') {
    throw new TypeError('The node answered the registration without a session.')
  }
  return { userId, deviceId, accessToken }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
