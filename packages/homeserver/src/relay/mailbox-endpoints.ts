import { type JsonObject, parseServerName, parseUserId, type ServerName, serverNameOf, unreachable } from '@kith/matrix-protocol'
import type { Endpoint, PeerRequest } from '../federation/serve/router.ts'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { CollectOutcome, Mailboxes, MailEntry, PutMailOutcome } from './mailboxes.ts'

export interface MailboxEndpointsInput {
  readonly mailboxes: Mailboxes
  /** The volunteer's consent: who may have a mailbox here. */
  readonly mayReserve: (server: ServerName) => boolean | Promise<boolean>
  /** Called after mail for the recipient is durable. */
  readonly onMail: (recipient: ServerName) => void
}

/** A position is written in plain digits; sixteen hold every safe integer. */
const COUNT = /^[0-9]{1,16}$/

/** What a relay answers: putting mail, collecting it, and reserving a mailbox. */
export function mailboxEndpoints(input: MailboxEndpointsInput): Endpoint[] {
  return [
    { method: 'PUT', path: '/_matrix/federation/v1/send_relay/:txnId/:userId', handle: (request) => putMail(input, request) },
    { method: 'GET', path: '/_matrix/federation/v1/relay_txn/:userId', handle: (request) => collectMail(input, request) },
    { method: 'PUT', path: '/_matrix/federation/unstable/im.kith/mailbox', handle: (request) => reserveMailbox(input, request) },
    { method: 'GET', path: '/_matrix/federation/unstable/im.kith/mailbox', handle: (request) => describeMailbox(input, request) },
  ]
}

async function putMail({ mailboxes, onMail }: MailboxEndpointsInput, request: PeerRequest): Promise<JsonObject> {
  const recipient = serverOfUser(request)
  const transactionId = request.parameter('txnId')
  if (transactionId.length > limits.implementation.nameCharactersMax)
    throw new MatrixError(400, 'M_INVALID_PARAM', 'The transaction id is too long')
  // Before the body is read: nobody without a mailbox makes the relay read megabytes.
  if (!(await mailboxes.has(recipient))) throw noMailbox()
  const transaction = await request.jsonObject(limits.implementation.mailboxTransactionBytesMax)
  checkCounts(transaction)
  const bytes = new TextEncoder().encode(JSON.stringify(transaction)).byteLength
  request.signal.throwIfAborted()
  const outcome = await mailboxes.put({ recipient, sender: request.origin, transactionId, transaction, bytes })
  if (outcome.kind === 'stored') onMail(recipient)
  return answerToMail(outcome)
}

function answerToMail(outcome: PutMailOutcome): JsonObject {
  switch (outcome.kind) {
    case 'stored':
    case 'known':
      return { expires_at: outcome.expiresAt }
    case 'no-mailbox':
      throw noMailbox()
    case 'over-quota':
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'The mailbox is full', { retry_after_ms: outcome.retryAfterMs })
    default:
      return unreachable(outcome)
  }
}

function checkCounts(transaction: JsonObject): void {
  const { pdus, edus } = transaction
  if (!Array.isArray(pdus) || !Array.isArray(edus ?? [])) throw new MatrixError(400, 'M_BAD_JSON', '`pdus` and `edus` must be arrays')
  const { pdusPerTransactionMax, edusPerTransactionMax } = limits.specification
  if (pdus.length > pdusPerTransactionMax || (Array.isArray(edus) && edus.length > edusPerTransactionMax)) {
    throw new MatrixError(400, 'M_BAD_JSON', `At most ${pdusPerTransactionMax} PDUs and ${edusPerTransactionMax} EDUs`)
  }
}

async function collectMail({ mailboxes }: MailboxEndpointsInput, request: PeerRequest): Promise<JsonObject> {
  const owner = serverOfUser(request)
  if (owner !== request.origin) throw new MatrixError(403, 'M_FORBIDDEN', 'This mailbox belongs to another server')
  const entryId = readCount(request, 'entry_id') ?? 0
  const limit = readCount(request, 'limit')
  if (limit === 0) throw new MatrixError(400, 'M_INVALID_PARAM', '`limit` must be at least 1')
  const outcome = await mailboxes.collect(owner, entryId, Math.min(limit ?? 1, limits.implementation.mailboxPageEntriesMax))
  return limit === undefined ? singleAnswer(pageOf(outcome)) : pageAnswer(pageOf(outcome))
}

interface Page {
  readonly entries: readonly MailEntry[]
  readonly acknowledged: number
}

function pageOf(outcome: CollectOutcome): Page {
  switch (outcome.kind) {
    case 'page':
      return outcome
    case 'no-mailbox':
      throw noMailbox()
    case 'unknown-entry':
      throw new MatrixError(400, 'M_INVALID_PARAM', 'This entry id was never given out')
    default:
      return unreachable(outcome)
  }
}

function singleAnswer({ entries: [entry], acknowledged }: Page): JsonObject {
  if (entry === undefined) return { transaction: { pdus: [], edus: [] }, entry_id: acknowledged, entries_queued: false }
  return { transaction: entry.transaction, entry_id: entry.entryId, entries_queued: true }
}

function pageAnswer({ entries }: Page): JsonObject {
  return {
    entries: entries.map(({ entryId, transaction }) => ({ entry_id: entryId, transaction })),
    entries_queued: entries.length > 0,
  }
}

async function reserveMailbox({ mailboxes, mayReserve }: MailboxEndpointsInput, request: PeerRequest): Promise<JsonObject> {
  if (!(await mayReserve(request.origin))) throw new MatrixError(403, 'M_FORBIDDEN', 'This relay keeps no mailbox for this server')
  const outcome = await mailboxes.reserve(request.origin)
  if (outcome.kind === 'full') throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'All mailboxes are taken', { retry_after_ms: 3_600_000 })
  return { expires_at: outcome.expiresAt }
}

async function describeMailbox({ mailboxes }: MailboxEndpointsInput, request: PeerRequest): Promise<JsonObject> {
  if (!(await mailboxes.has(request.origin))) throw new MatrixError(404, 'M_NOT_FOUND', 'No mailbox is reserved')
  return { entries: await mailboxes.countEntries(request.origin) }
}

function serverOfUser(request: PeerRequest): ServerName {
  const userId = parseUserId(request.parameter('userId'))
  const server = userId === undefined ? undefined : parseServerName(serverNameOf(userId))
  if (server === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no user id')
  return server
}

function readCount(request: PeerRequest, name: string): number | undefined {
  const text = request.query.get(name)
  if (text === null) return undefined
  const value = COUNT.test(text) ? Number(text) : undefined
  if (value === undefined || !Number.isSafeInteger(value)) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `\`${name}\` must be a non-negative integer`)
  }
  return value
}

function noMailbox(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'No mailbox for this user here')
}
