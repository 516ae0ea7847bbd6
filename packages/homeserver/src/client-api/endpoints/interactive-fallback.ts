import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { escapeHtml, htmlPage } from '../html-page.ts'
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
      if (!api.interactiveAuth.hasPage(session, stage)) return ended()
      return htmlPage(200, title, formOf(stage, session))
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
          return htmlPage(200, title, ['<p>Thank you. You may close this window and go on in your app.</p>'], doneScript)
        case 'failed':
          return htmlPage(401, title, [`<p role="alert">${stages[stage].refusal}</p>`, ...formOf(stage, session)])
        case undefined:
          return ended()
      }
    },
  }),
]

const title = 'Kith'

/** How the client that opened the page hears that the stage is passed. */
const doneScript = `if (window.onAuthDone) { window.onAuthDone() } else if (window.opener && window.opener.postMessage) { window.opener.postMessage('authDone', '*') }`

function stageFrom(text: string): InteractiveStage {
  const stage = parseInteractiveStage(text)
  if (stage === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such stage')
  return stage
}

function ended(): Response {
  return htmlPage(404, title, ['<p>This has ended or was never begun. Please go back to your app, and begin there anew.</p>'])
}

function formOf(stage: InteractiveStage, session: string): readonly string[] {
  const { request, fields } = stages[stage]
  return [
    `<p>${request}</p>`,
    '<form method="post">',
    `<input type="hidden" name="session" value="${escapeHtml(session)}">`,
    ...fields,
    '<button>Continue</button>',
    '</form>',
  ]
}

const stages: Readonly<
  Record<InteractiveStage, { readonly request: string; readonly fields: readonly string[]; readonly refusal: string }>
> = {
  'm.login.dummy': {
    request: 'Your app asks you to confirm that you want to go on.',
    fields: [],
    refusal: 'Your app does not ask for this any more. Please go back to it.',
  },
  'm.login.password': {
    request: 'Your app asks you to confirm with your password what you are about to do.',
    fields: [
      '<label>User name <input name="user" autocomplete="username" required autofocus></label>',
      '<label>Password <input type="password" name="password" autocomplete="current-password" required></label>',
    ],
    refusal: 'The user name or the password is wrong. Please try again.',
  },
  'm.login.registration_token': {
    request: 'An account on this server takes a registration token, which its owner gives out.',
    fields: ['<label>Registration token <input name="token" autocomplete="off" required autofocus></label>'],
    refusal: 'This token is not valid. Please ask the owner of the server for one.',
  },
}
