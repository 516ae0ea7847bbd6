import { observableValue, type Observable } from './observable.ts'

const LOCK_NAME = 'kith-chat'
const CHANNEL_NAME = 'kith-chat'
/** A holder that has not said by then that it is stopping is taken for frozen. */
const SILENCE_MS = 2_500
/** A holder that said it is stopping gets this long to persist and close. */
const STOPPING_MS = 12_000

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

type ChatMessage =
  | { readonly kind: 'release-requested'; readonly by: string }
  | { readonly kind: 'stopping'; readonly for: string }
  | { readonly kind: 'stopped'; readonly for: string }

/** Shows its outcome in `state`; a tab that held the chat and lost it goes on as `held-elsewhere`. */
export function acquireChat(options: ChatLockOptions): ChatLock {
  const lock = new TabChatLock(options)
  void lock.begin()
  return { state: lock.state, takeOver: () => lock.takeOver(), close: () => lock.close() }
}

/**
 * Invariants:
 * 1. `held` is shown only while this tab holds the Web Lock; the browser sees to it that no other tab does.
 * 2. A take-over always steals: after the holder said that it stopped, or when it stays silent. Stealing passes by the tabs that
 *    queue for the lock, so the chat goes to the tab whose person asked for it.
 * 3. Only a visible tab queues, so that reloading the page does not move the chat to a tab in the background.
 */
class TabChatLock {
  readonly state = observableValue<ChatLockState>('waiting')
  readonly #options: ChatLockOptions
  readonly #id = crypto.randomUUID()
  readonly #channel = new BroadcastChannel(CHANNEL_NAME)
  readonly #closing = new AbortController()
  readonly #heard = new EventTarget()
  #queueing: AbortController | undefined
  #letGo: (() => void) | undefined
  #stopping: Promise<void> | undefined
  #hasStopped = false

  constructor(options: ChatLockOptions) {
    this.#options = options
    const { signal } = this.#closing
    this.#channel.addEventListener('message', ({ data }: MessageEvent<ChatMessage>) => this.#receive(data), { signal })
    document.addEventListener('visibilitychange', () => this.#queueWhenVisible(), { signal })
  }

  async begin(): Promise<void> {
    if (!(await this.#request({ ifAvailable: true }))) {
      if (this.state.get() === 'waiting') this.state.set('held-elsewhere')
      this.#queueWhenVisible()
    }
  }

  async takeOver(): Promise<void> {
    if (this.state.get() !== 'held-elsewhere') return
    this.state.set('taking-over')
    this.#queueing?.abort()
    const stopping = this.#hear('stopping', SILENCE_MS)
    const stopped = this.#hear('stopped', SILENCE_MS + STOPPING_MS)
    this.#say({ kind: 'release-requested', by: this.#id })
    if ((await Promise.race([stopping, stopped])) === 'heard') await stopped
    if (this.#closing.signal.aborted) return
    await this.#request({ steal: true })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#queueing?.abort()
    this.#letGo?.()
    this.#channel.close()
    this.state.set('closed')
  }

  /** Resolves to whether the lock was granted; it is then held until it is let go or stolen. */
  async #request(options: LockOptions): Promise<boolean> {
    const { promise: decided, resolve: decide } = Promise.withResolvers<boolean>()
    const { promise: end, resolve: letGo } = Promise.withResolvers<void>()
    const held = navigator.locks.request(LOCK_NAME, options, async (lock) => {
      if (lock === null || this.#closing.signal.aborted) return decide(false)
      this.#queueing = undefined
      this.#letGo = letGo
      this.#stopping = undefined
      this.#hasStopped = false
      decide(true)
      this.state.set('held')
      await end
    })
    held
      .catch(() => undefined)
      .then(() => this.#released(letGo))
      .catch(reportError)
    held.catch(() => decide(false))
    return decided
  }

  /** The request ended: refused, withdrawn, let go, or stolen from this tab. */
  #released(letGo: () => void): void {
    if (this.#letGo !== letGo) return
    this.#letGo = undefined
    if (this.#closing.signal.aborted) return
    this.state.set('held-elsewhere')
    if (!this.#hasStopped) this.#options.onRobbed()
    this.#queueWhenVisible()
  }

  #queueWhenVisible(): void {
    const visible = document.visibilityState === 'visible'
    if (!visible) this.#queueing?.abort()
    if (!visible || this.state.get() !== 'held-elsewhere' || this.#queueing !== undefined) return
    const queueing = new AbortController()
    queueing.signal.addEventListener('abort', () => {
      if (this.#queueing === queueing) this.#queueing = undefined
    })
    this.#queueing = queueing
    void this.#request({ signal: queueing.signal })
  }

  #receive(message: ChatMessage): void {
    switch (message.kind) {
      case 'release-requested':
        if (this.state.get() === 'held') void this.#stopFor(message.by)
        return
      case 'stopping':
      case 'stopped':
        if (message.for === this.#id) this.#heard.dispatchEvent(new Event(message.kind))
        return
    }
  }

  /** The lock itself is kept until the other tab steals it: letting it go would give it to whoever queues. */
  async #stopFor(by: string): Promise<void> {
    this.#say({ kind: 'stopping', for: by })
    const letGo = this.#letGo
    this.#stopping ??= this.#options.onReleaseRequested().catch(reportError)
    await this.#stopping
    this.#hasStopped = true
    this.#say({ kind: 'stopped', for: by })
    // The tab that asked may be gone meanwhile; then the chat must not stay locked by a tab that has stopped it.
    setTimeout(() => letGo?.(), SILENCE_MS)
  }

  #say(message: ChatMessage): void {
    if (!this.#closing.signal.aborted) this.#channel.postMessage(message)
  }

  #hear(kind: 'stopping' | 'stopped', timeoutMs: number): Promise<'heard' | 'silence'> {
    const { promise, resolve } = Promise.withResolvers<'heard' | 'silence'>()
    const timer = setTimeout(() => resolve('silence'), timeoutMs)
    this.#heard.addEventListener(
      kind,
      () => {
        clearTimeout(timer)
        resolve('heard')
      },
      { once: true },
    )
    return promise
  }
}
