import { encodeUtf8, sha256 } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { type InteractiveStage, parseInteractiveStage } from '../interactive-auth.ts'
import { readText } from '../read-body.ts'

const path = '/auth/:authType/fallback/web'

/**
 * Pages on which a user passes a stage that their client does not know.
 * @see https://spec.matrix.org/latest/client-server-api/#fallback
 */
export const interactiveFallbackEndpoints = [
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    async handle(api, { params, query }) {
      const stage = stageFrom(params.authType)
      const session = query.get('session') ?? ''
      if (!api.interactiveAuth.hasPage(session, stage)) return page(404, [endedText])
      return page(200, formOf(stage, session))
    },
  }),
  endpoint({
    method: 'POST',
    path,
    auth: 'none',
    async handle(api, { params, query, bytes, caller }) {
      const stage = stageFrom(params.authType)
      const form = new URLSearchParams(await readText(bytes, limits.implementation.formBytesMax))
      const session = form.get('session') ?? query.get('session') ?? ''
      const [user, password, token] = ['user', 'password', 'token'].map((name) => form.get(name) ?? undefined)
      const given = {
        ...(user === undefined ? {} : { user }),
        ...(password === undefined ? {} : { password }),
        ...(token === undefined ? {} : { token }),
      }
      switch (api.interactiveAuth.attempt(session, stage, given, caller)) {
        case 'passed':
          return page(200, ['<p>Thank you. You may close this window.</p>', `<script>${doneScript}</script>`])
        case 'failed':
          return page(401, ['<p>That was not right. Please try again.</p>', ...formOf(stage, session)])
        case undefined:
          return page(404, [endedText])
      }
    },
  }),
]

const endedText = '<p>This session has ended. Please begin anew in your client.</p>'

/** How the client that opened the page hears that the stage is passed. */
const doneScript = `if (window.onAuthDone) { window.onAuthDone() } else if (window.opener && window.opener.postMessage) { window.opener.postMessage('authDone', '*') }`

function stageFrom(text: string): InteractiveStage {
  const stage = parseInteractiveStage(text)
  if (stage === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such stage')
  return stage
}

function formOf(stage: InteractiveStage, session: string): readonly string[] {
  return [
    '<form method="post">',
    `<input type="hidden" name="session" value="${escapeHtml(session)}">`,
    ...fields[stage],
    '<p><button>Continue</button></p>',
    '</form>',
  ]
}

const fields: Readonly<Record<InteractiveStage, readonly string[]>> = {
  'm.login.dummy': ['<p>Please confirm that you want to go on.</p>'],
  'm.login.password': [
    '<p><label>User <input name="user" autocomplete="username" required></label></p>',
    '<p><label>Password <input type="password" name="password" autocomplete="current-password" required></label></p>',
  ],
  'm.login.registration_token': ['<p><label>Registration token <input name="token" autocomplete="off" required></label></p>'],
}

/** Nothing but the page itself runs on it, and no other page can lay itself over it. */
function page(status: number, body: readonly string[]): Response {
  const html = [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><title>Authentication</title></head><body>',
    ...body,
    '</body></html>',
  ]
  const scriptHash = sha256(encodeUtf8(doneScript)).toBase64()
  return new Response(html.join('\n'), {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; script-src 'sha256-${scriptHash}'; form-action 'self'; frame-ancestors 'none'`,
      'cache-control': 'no-store',
    },
  })
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
