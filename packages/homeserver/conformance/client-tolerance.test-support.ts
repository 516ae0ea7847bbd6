/** Where another answer than the general one is right. */
export interface Tolerance {
  readonly operations: readonly string[]
  readonly what: RegExp
  /** Undefined: whatever blames the sender or bears it. */
  readonly answers: readonly string[] | undefined
  readonly reason: string
}

const tolerances: readonly Tolerance[] = [
  {
    operations: ['getContent', 'getContentOverrideName', 'getContentThumbnail'],
    what: /^the query's/,
    answers: ['404 M_NOT_FOUND'],
    reason: 'There is nothing at the deprecated places, however it is asked for.',
  },
  {
    operations: ['redirectToSSO', 'redirectToIdP', 'queryLocationByAlias', 'queryUserByID'],
    what: /^the query's/,
    answers: ['404 M_NOT_FOUND', '404 M_UNRECOGNIZED'],
    reason: 'There is no single sign-on and no other network, whatever is asked of them.',
  },
  {
    operations: ['post3PIDs', 'bind3PID'],
    what: /id_access_token is missing$/,
    answers: ['403 M_THREEPID_AUTH_FAILED', '400 M_SERVER_NOT_TRUSTED'],
    reason: 'Older clients have no such token, and no identity server is trusted with or without it.',
  },
  {
    operations: ['peekEvents'],
    what: /^the query's room_id is missing$/,
    answers: ['200 -'],
    reason: 'Without a room it is another operation, getEvents.',
  },
  {
    operations: ['getPresence', 'getProfileField', 'getUserProfile', 'reportUser'],
    what: /^of another user$/,
    answers: ['200 -'],
    reason: 'Other users are there to be looked at, and to be complained of.',
  },
  {
    operations: ['getWhoIs', 'getAdminSuspendUser', 'setAdminSuspendUser', 'getAdminLockUser', 'setAdminLockUser'],
    what: /^of another user$/,
    answers: ['200 -', '400 M_INVALID_PARAM'],
    reason: 'The owner of a node looks after its other users, and after nobody of another.',
  },
]

/** What is said of a wrong request of an operation; undefined: there is no exception. */
export function toleranceOf(id: string, what: string): Tolerance | undefined {
  return tolerances.find(({ operations, what: pattern }) => operations.includes(id) && pattern.test(what))
}
