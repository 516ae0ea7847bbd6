import { canonicalJson, CanonicalJsonError, isJsonObject, type JsonObject, type JsonValue, type Pdu } from '@kith/matrix-protocol'

/** An EDU as it travels. */
export interface Edu {
  readonly type: string
  readonly content: JsonObject
}

/** Stands for an EDU that has no canonical form (clients may put fractions into to-device messages) where the whole must be signed. */
export const ENCODED_EDU_TYPE = 'im.kith.encoded_edu'

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

/** The EDU that an encoded one stands for; any other as it is. */
export function decodeEdu(edu: JsonValue): JsonValue {
  if (!isJsonObject(edu) || edu['edu_type'] !== ENCODED_EDU_TYPE || !isJsonObject(edu['content'])) return edu
  const text = edu['content']['json']
  try {
    return typeof text === 'string' ? JSON.parse(text) : edu
  } catch {
    return edu
  }
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

function pduJson({ unsigned: _unsigned, ...pdu }: Pdu): JsonObject {
  return pdu as unknown as JsonObject
}
