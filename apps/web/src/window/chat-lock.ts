import type { Observable } from './observable.ts'

export type ChatLockState =
  /** Asking; settles within moments. */
  | 'waiting'
  /** The chat client and its crypto store may run in this tab, and only here. */
  | 'held'
  /** Another tab has it. When that tab closes while this one is visible, the state becomes `held` by itself. */
  | 'held-elsewhere'
  /** `takeOver` is under way. */
  | 'taking-over'
  | 'closed'

export interface ChatLock {
  readonly state: Observable<ChatLockState>
  /** "Use here": resolves when this tab holds the chat. */
  readonly takeOver: () => Promise<void>
  /** Gives the chat up for good, e.g. before the page goes. Call after the client was stopped. */
  readonly close: () => Promise<void>
}

export interface ChatLockOptions {
  /**
   * Another tab wants the chat: finish or persist what is being sent, stop the SDK's client, close the crypto store.
   * The chat moves when the promise settles, or after some seconds.
   */
  readonly onReleaseRequested: () => Promise<void>
  /** The chat was taken without waiting, because this tab did not answer in time: stop at once. */
  readonly onRobbed: () => void
}

/** Shows its outcome in `state`; a tab that held the chat and lost it goes on as `held-elsewhere`. */
export declare function acquireChat(options: ChatLockOptions): ChatLock
