/** Unpredictable bytes. The only source of randomness in the homeserver. */
export interface Random {
  bytes(length: number): Uint8Array<ArrayBuffer>
}
