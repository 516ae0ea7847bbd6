import {
  addContentHash,
  eventSigningBytes,
  makeUserId,
  type Pdu,
  type RoomVersion,
  type ServerName,
  serverNameFromPublicKey,
  SIGNING_KEY_ID,
  type UnhashedPdu,
  type UserId,
  withSignature,
} from '@kith/matrix-protocol'
import type { Crypto } from '@kith/homeserver/ports'
import { createWebCrypto } from '@kith/homeserver/web-crypto'

/** A server that exists only as a key: it signs events, and nobody can call it. */
export class GeneratedServer {
  static async create(): Promise<GeneratedServer> {
    return new GeneratedServer(await createWebCrypto(crypto.getRandomValues(new Uint8Array(32))))
  }

  readonly name: ServerName
  readonly #crypto: Crypto

  private constructor(crypto: Crypto) {
    this.#crypto = crypto
    this.name = serverNameFromPublicKey(crypto.publicKey)
  }

  user(localpart: string): UserId {
    return makeUserId(localpart, this.name)
  }

  async sign(unhashed: UnhashedPdu, version: RoomVersion): Promise<Pdu> {
    const pdu = addContentHash(unhashed, version)
    return withSignature(pdu, this.name, SIGNING_KEY_ID, await this.#crypto.sign(eventSigningBytes(pdu, version)))
  }
}
