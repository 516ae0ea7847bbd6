import type { StoreFindings } from '@kith/testkit/store-check'
import type { ApiAccount } from './api-account.ts'

/** A homeserver that is killed at any moment, and its only user. */
export interface KillVictim {
  readonly account: ApiAccount
  /** Without a word to anyone. What was asked of it and is not answered yet, rejects. */
  kill(): Promise<void>
  /** Compares what the dead homeserver has stored with itself. */
  checkStore(): Promise<StoreFindings>
  /** On the same data; resolves when it answers. */
  start(): Promise<void>
}
