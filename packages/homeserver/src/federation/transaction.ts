import {
  canonicalJson,
  CanonicalJsonError,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type Pdu,
  type ServerName,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { parseBoundedJson } from './bounded-json.ts'

/** An EDU as it travels. */
export interface Edu {
  readonly type: string
  readonly content: JsonObject
}

/** Stands for an EDU that has no canonical form (clients may put fractions into to-device messages) where the whole must be signed. */
const ENCODED_EDU_TYPE = 'im.kith.encoded_edu'

export interface TransactionParts {
  readonly origin: string
  readonly now: number
  readonly pdus: readonly Pdu[]
  readonly edus: readonly Edu[]
  /** Further members, such as `im.kith.relay_list`. */
  readonly members: JsonObject
}

/** The body of a transaction as it goes to the peer itself. */
export function directTransaction(parts: TransactionParts): JsonObject {
  return {
    ...parts.members,
    origin: parts.origin,
    origin_server_ts: parts.now,
    pdus: parts.pdus.map(pduJson),
    edus: parts.edus.map((edu) => ({ edu_type: edu.type, content: edu.content })),
  }
}

/** The body as it goes through relays, still to be signed as a whole. */
export function relayTransaction(parts: TransactionParts, destination: string, transactionId: string): JsonObject {
  return {
    ...parts.members,
    origin: parts.origin,
    origin_server_ts: parts.now,
    destination,
    transaction_id: transactionId,
    pdus: parts.pdus.map(pduJson),
    edus: parts.edus.map((edu) => encodeEdu({ edu_type: edu.type, content: edu.content })),
  }
}

/** A transaction of another server, shape and counts checked; its PDUs and EDUs are not looked at yet. */
export interface IncomingTransaction {
  readonly origin: ServerName
  readonly transactionId: string
  readonly pdus: readonly JsonValue[]
  readonly edus: readonly JsonValue[]
  readonly relayList: JsonValue | undefined
  readonly extremities: JsonValue | undefined
  /** Whether the origin itself vouches for what no signature of its own covers. If not, only the PDUs count. */
  readonly trusted: boolean
}

export type ParsedTransaction =
  | { readonly kind: 'ok'; readonly transaction: Omit<IncomingTransaction, 'origin' | 'transactionId' | 'trusted'> }
  | { readonly kind: 'bad'; readonly reason: string }

export function parseTransaction(body: JsonObject): ParsedTransaction {
  const { pdus, edus = [] } = body
  if (!Array.isArray(pdus) || !Array.isArray(edus)) return { kind: 'bad', reason: '`pdus` and `edus` must be arrays' }
  const { pdusPerTransactionMax, edusPerTransactionMax } = limits.specification
  if (pdus.length > pdusPerTransactionMax) return { kind: 'bad', reason: `At most ${pdusPerTransactionMax} PDUs` }
  if (edus.length > edusPerTransactionMax) return { kind: 'bad', reason: `At most ${edusPerTransactionMax} EDUs` }
  const relayList = body['im.kith.relay_list']
  return { kind: 'ok', transaction: { pdus, edus: edus.map(decodeEdu), relayList, extremities: body['im.kith.extremities'] } }
}

/** The EDU that an encoded one stands for; any other as it is. */
function decodeEdu(edu: JsonValue): JsonValue {
  if (!isJsonObject(edu) || edu['edu_type'] !== ENCODED_EDU_TYPE || !isJsonObject(edu['content'])) return edu
  const text = edu['content']['json']
  const parsed = typeof text === 'string' ? parseBoundedJson(text) : undefined
  return parsed?.kind === 'ok' ? parsed.value : edu
}

function encodeEdu(edu: JsonObject): JsonObject {
  try {
    canonicalJson(edu)
    return edu
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error
    return { edu_type: ENCODED_EDU_TYPE, content: { json: JSON.stringify(edu) } }
  }
}

/** An event as servers exchange it. */
export function pduJson({ unsigned: _unsigned, ...pdu }: Pdu): JsonObject {
  return pdu
}
