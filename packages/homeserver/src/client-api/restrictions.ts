import { parseEventId } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api, Endpoint } from './endpoint.ts'

/**
 * What a suspended user may not do, as a method and a path below the version: to come into rooms, to bring others in or put them out, to
 * speak, and to change who they seem to be. Reading, leaving, keys and the own devices stay open.
 * @see https://spec.matrix.org/latest/client-server-api/#account-suspension
 */
export const closedToSuspended: readonly string[] = [
  'POST /createRoom',
  'POST /join/*',
  'POST /rooms/*/join',
  'POST /knock/*',
  'POST /rooms/*/invite',
  'POST /rooms/*/kick',
  'POST /rooms/*/ban',
  'POST /rooms/*/unban',
  'POST /rooms/*/upgrade',
  'PUT /rooms/*/send/*/*',
  'PUT /rooms/*/state/*',
  'PUT /rooms/*/state/*/*',
  'PUT /profile/*/*',
  'DELETE /profile/*/*',
  'PUT /directory/room/*',
]

const redaction = 'PUT /rooms/*/redact/*/*'
const openToLocked: readonly string[] = ['POST /logout', 'POST /logout/all']

/** @throws MatrixError M_USER_LOCKED, M_USER_SUSPENDED */
export async function refuseRestricted(
  api: Api,
  session: Session,
  endpoint: Endpoint,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  switch (api.accounts.restriction(session.userId)) {
    case undefined:
      return
    case 'locked':
      if (!openToLocked.includes(nameOf(endpoint))) throw userLocked()
      return
    case 'suspended':
      if (closedToSuspended.includes(nameOf(endpoint)) || !(await redactsOwn(api, session, endpoint, params))) throw userSuspended()
  }
}

/** The client keeps what it has: the account may be unlocked again. */
export function userLocked(): MatrixError {
  return new MatrixError(401, 'M_USER_LOCKED', 'This account is locked', { soft_logout: true })
}

export function userSuspended(): MatrixError {
  return new MatrixError(403, 'M_USER_SUSPENDED', 'This account is suspended')
}

/** Also true where nothing is redacted. */
async function redactsOwn(api: Api, session: Session, endpoint: Endpoint, params: Readonly<Record<string, string>>): Promise<boolean> {
  if (nameOf(endpoint) !== redaction) return true
  const eventId = parseEventId(params['eventId'])
  const event = eventId === undefined ? undefined : await api.rooms.event(eventId)
  return event?.pdu.sender === session.userId
}

export function nameOf({ method, paths }: Pick<Endpoint, 'method' | 'paths'>): string {
  const path = (paths[0] ?? '').replace(/^\/_matrix\/client\/[^/]+/, '')
  return `${method} ${path.replaceAll(/:[^/]+/g, '*').replace(/\/$/, '')}`
}
