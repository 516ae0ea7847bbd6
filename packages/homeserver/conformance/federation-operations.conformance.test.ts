import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Conversation } from './conversation.test-support.ts'
import { findOperations, problemsOfRequest, problemsOfResponse } from './exchange-checks.test-support.ts'
import { loadOperations } from './openapi.test-support.ts'
import type { RecordedExchange } from './recorded-network.test-support.ts'

/** The data names so many. A different number is a reason to look what is new. */
const OPERATIONS_COUNT = 36
/** What homeservers ask each other by themselves when clients use them; the others are asked by servers of other kinds, or when something is lacking. */
const askedByHomeservers = [
  ...[
    'backfillRoom',
    'sendTransaction',
    'getEventByTimestamp',
    'makeJoin',
    'sendJoinV2',
    'makeKnock',
    'sendKnock',
    'makeLeave',
    'sendLeaveV2',
  ],
  ...['sendInviteV2', 'exchangeThirdPartyInvite', 'queryRoomDirectory', 'getPublicRooms', 'queryPublicRooms', 'getSpaceHierarchy'],
  ...['queryProfile', 'queryUserEncryptionKeys', 'claimUserEncryptionKeys', 'getContent', 'getContentThumbnail', 'getServerKey'],
]
/** A server that is no policy server says so with this answer, and means the whole endpoint. */
const declined: ReadonlyMap<string, number> = new Map([['askPolicyServerToSign', 404]])
const OWN_PATHS = '/_matrix/federation/unstable/im.kith/'

const operations = loadOperations()
const conversation = new Conversation()
const heard = new Map<string, RecordedExchange[]>(operations.map(({ id }) => [id, []]))
const unknown: string[] = []

beforeAll(async () => {
  await conversation.begin()
  await conversation.speak()
  await conversation.speakByHand()
  for (const exchange of conversation.network.exchanges) {
    const found = findOperations(operations, exchange.method, exchange.url.pathname)
    for (const { id } of found) heard.get(id)?.push(exchange)
    if (found.length === 0 && !exchange.url.pathname.startsWith(OWN_PATHS)) unknown.push(`${exchange.method} ${exchange.url.pathname}`)
  }
})

afterAll(async () => {
  process.stdout.write(`${coverageTable()}\n`)
  await conversation[Symbol.asyncDispose]()
})

describe('the server-server API of the specification', () => {
  test('is what the data has', () => {
    expect(operations).toHaveLength(OPERATIONS_COUNT)
    expect(new Set(operations.map(({ id }) => id)).size).toBe(OPERATIONS_COUNT)
  })

  test.each(operations.map((operation) => [operation.id, operation] as const))(
    '%s: asked and answered as the data says',
    (id, operation) => {
      const exchanges = heard.get(id) ?? []
      const problems = exchanges.flatMap((exchange) =>
        [...problemsOfRequest(operation, exchange), ...problemsOfResponse(operation, exchange)].map(
          (problem) => `${exchange.method} ${exchange.url.pathname} → ${exchange.status}: ${problem}`,
        ),
      )
      expect(problems).toEqual([])
      const expected = declined.get(id) ?? 200
      expect(exchanges.map(({ status, responseBody }) => (status === expected ? status : responseBody))).toContain(expected)
    },
  )

  test('is what homeservers ask each other', () => {
    const byNodes = [...heard].filter(([, exchanges]) => exchanges.some(({ byHand }) => !byHand)).map(([id]) => id)
    expect(byNodes).toEqual(expect.arrayContaining(askedByHomeservers))
    expect(unknown).toEqual([])
  })

  test('files come in parts', () => {
    for (const id of ['getContent', 'getContentThumbnail']) {
      const [first] = heard.get(id) ?? []
      expect(first?.contentType).toMatch(/^multipart\/mixed; boundary=/)
      const boundary = first?.contentType.split('boundary=')[1] ?? ''
      const parts = String(first?.responseBody).split(`--${boundary}`)
      expect(parts).toHaveLength(4)
      expect(parts[1]).toBe('\r\nContent-Type: application/json\r\n\r\n{}\r\n')
      expect(parts[2]).toMatch(/^\r\nContent-Type: image\/png\r\nContent-Disposition: inline\r\n\r\n/)
      expect(parts[3]).toBe('--\r\n')
    }
  })

  test('a planted fault is noticed: an operation without its members, a query without what it needs', () => {
    const state = operations.find(({ id }) => id === 'getRoomState')
    const [answered] = heard.get('getRoomState') ?? []
    if (state === undefined || answered === undefined) throw new Error('The operation was not heard')
    expect(problemsOfResponse(state, { ...answered, responseBody: { pdus: [] } })).not.toEqual([])
    expect(problemsOfResponse(state, { ...answered, responseBody: { pdus: 1, auth_chain: [] } })).not.toEqual([])
    expect(problemsOfResponse(state, { ...answered, status: 403, responseBody: { error: 'no' } })).not.toEqual([])
    expect(problemsOfRequest(state, { ...answered, url: new URL(answered.url.pathname, answered.url) })).not.toEqual([])
  })
})

/** One line an operation: how often homeservers and the test asked it, and what was answered. */
function coverageTable(): string {
  const lines = operations.map(({ id, method, path }) => {
    const exchanges = heard.get(id) ?? []
    const byHand = exchanges.filter((exchange) => exchange.byHand).length
    const statuses = [...new Set(exchanges.map(({ status }) => status))].toSorted((a, b) => a - b).join(' ')
    return [
      id.padEnd(28),
      String(exchanges.length - byHand).padStart(5),
      String(byHand).padStart(7),
      statuses.padEnd(9),
      `${method} ${path}`,
    ].join('  ')
  })
  const answered = [...heard.values()].filter((exchanges) => exchanges.length > 0).length
  const head = ['operation'.padEnd(28), 'nodes', 'by hand', 'answers  ', 'request'].join('  ')
  return [head, ...lines, `${answered} of ${operations.length} operations`].join('\n')
}
