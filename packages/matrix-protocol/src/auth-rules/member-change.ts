import type { Pdu } from '../events/pdu.ts'

/** A membership event, with the two whom it concerns. */
export interface MemberChange {
  readonly pdu: Pdu
  readonly sender: string
  /** Whose membership changes. */
  readonly target: string
}
