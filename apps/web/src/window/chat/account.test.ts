import { describe, expect, test } from 'vitest'
import { newAccount, openSession } from './account.ts'
import { NodeRefusal } from './node-api.ts'
import type { NodeRequest, NodeRequester } from './node-api.ts'

const signal = new AbortController().signal
const session = { user_id: '@ada:k51', device_id: 'D', access_token: 'T' }

/** Answers the requests from the list, one after the other; errors are thrown. */
function scripted(...answers: readonly (Record<string, string> | Error)[]): {
  readonly request: NodeRequester
  readonly asked: NodeRequest[]
} {
  const asked: NodeRequest[] = []
  const left = [...answers]
  const request: NodeRequester = (asking) => {
    asked.push(asking)
    const answer = left.shift() ?? {}
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  }
  return { request, asked }
}

const account = newAccount('Ada', (byteCount) => new Uint8Array(byteCount).fill(7))
const challenge = new NodeRefusal(401, { session: 's', flows: [{ stages: ['m.login.dummy'] }] })

describe('an account', () => {
  test('has a name made of the display name and a long password', () => {
    expect(account).toMatchObject({ displayName: 'Ada', username: 'ada', crossSigned: false })
    expect(account.password).toMatch(/^[0-9a-f]{48}$/)
  })

  test('is registered, with the stage that the node asks for', async () => {
    const { request, asked } = scripted(challenge, session)
    expect(await openSession(account, request, signal)).toEqual({ userId: '@ada:k51', deviceId: 'D', accessToken: 'T' })
    expect(asked.map(({ path }) => path)).toEqual(['v3/register', 'v3/register', 'v3/profile/%40ada%3Ak51/displayname'])
    expect(asked[1]?.body).toMatchObject({ auth: { type: 'm.login.dummy', session: 's' } })
    expect(asked[2]).toMatchObject({ accessToken: 'T', body: { displayname: 'Ada' } })
  })

  test.each(['M_USER_IN_USE', 'M_FORBIDDEN'])('logs in when an earlier registration was not heard of: %s', async (errcode) => {
    const { request, asked } = scripted(new NodeRefusal(403, { errcode }), session)
    expect(await openSession(account, request, signal)).toMatchObject({ deviceId: 'D' })
    expect(asked[1]).toMatchObject({ path: 'v3/login', body: { password: account.password } })
  })

  test('passes other refusals on', async () => {
    const { request } = scripted(new NodeRefusal(429, { errcode: 'M_LIMIT_EXCEEDED' }))
    await expect(openSession(account, request, signal)).rejects.toThrow(NodeRefusal)
  })
})
