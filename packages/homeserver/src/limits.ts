/** Every bound of the homeserver, in one place. Sizes in bytes, times in ms. */
export const limits = {
  /** Given by the Matrix specification. */
  specification: {
    pdusPerTransactionMax: 50,
    edusPerTransactionMax: 100,
  },
  /** Chosen by this implementation. */
  implementation: {
    /** How many stream positions one durable lease covers. */
    positionLeaseSize: 1000,
    /** The largest request body that any endpoint reads, unless it says less. */
    requestBodyBytesMax: 16 * 1024 * 1024,
    /** Public keys kept imported for verifying. */
    verifyingKeysMax: 1024,
  },
} as const
