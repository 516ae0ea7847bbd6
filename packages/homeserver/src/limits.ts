import { clientLimits } from './limits/client-limits.ts'
import { federationLimits } from './limits/federation-limits.ts'
import { roomLimits } from './limits/room-limits.ts'

/** Every bound of the homeserver, in one place. Sizes in bytes, times in ms. */
export const limits = {
  /** Given by the Matrix specification. */
  specification: {
    pdusPerTransactionMax: 50,
    edusPerTransactionMax: 100,
    tagBytesMax: 255,
    profileBytesMax: 64 * 1024,
    profileKeyBytesMax: 255,
  },
  /** Chosen by this implementation. */
  implementation: {
    ...clientLimits,
    ...roomLimits,
    ...federationLimits,
  },
} as const
