import { acquireChat } from '../chat-lock.ts'
import type { ChatLock, ChatLockState } from '../chat-lock.ts'
import type { NodeAccess } from '../node-access.ts'
import { observableValue } from '../observable.ts'
import type { Observable } from '../observable.ts'
import { newAccount } from './account.ts'
import { ChatDatabase } from './chat-database.ts'
import type { Account } from './chat-database.ts'
import type { Chat } from './chat-model.ts'
import { describeFailure } from './failure-text.ts'
import type { StartChatStep, StartedChat } from './start-chat.ts'
import { cleanDisplayName } from './username.ts'

/** What the page shows. */
export type ChatPhase =
  /** Looking which tab has the chat, and whether this device has an account. */
  | { readonly kind: 'opening' }
  | { readonly kind: 'elsewhere'; readonly takingOver: boolean }
  /** Nobody lives on this device yet: a name is asked. */
  | { readonly kind: 'first-run' }
  | { readonly kind: 'starting'; readonly step: StartChatStep | 'loading'; readonly firstRun: boolean }
  | { readonly kind: 'ready'; readonly chat: Chat }
  | { readonly kind: 'failed'; readonly reason: string }

const databaseName = 'kith-chat'

/**
 * One for each page. Runs the chat while this tab holds the chat lock, and only then.
 * Invariant: at most one run exists; a new one begins after the stop of the one before has settled.
 */
export class ChatSession {
  readonly phase: Observable<ChatPhase>
  readonly #phase = observableValue<ChatPhase>({ kind: 'opening' })
  readonly #nodeAccess: NodeAccess
  readonly #lock: ChatLock
  #run: ChatRun | undefined
  #stopping: Promise<unknown> = Promise.resolve()

  constructor(nodeAccess: NodeAccess) {
    this.phase = this.#phase
    this.#nodeAccess = nodeAccess
    this.#lock = acquireChat({
      onReleaseRequested: async () => {
        this.#phase.set({ kind: 'elsewhere', takingOver: false })
        await this.#stopRun()
      },
      onRobbed: () => void this.#stopRun(),
    })
    this.#lock.state.subscribe(() => this.#follow(this.#lock.state.get()))
    nodeAccess.status.subscribe(() => {
      if (nodeAccess.status.get().kind === 'ready') this.#run?.hurry()
    })
    this.#follow(this.#lock.state.get())
  }

  /** The first run's answer. */
  async begin(displayName: string): Promise<void> {
    await this.#run?.begin(displayName)
  }

  /** Brings the chat from the tab that has it to this one. */
  async takeOver(): Promise<void> {
    // The tab that asked for the chat may have gone before it took it.
    if (this.#lock.state.get() === 'held') this.#startRun()
    else await this.#lock.takeOver()
  }

  /** After `failed`. */
  async retry(): Promise<void> {
    await this.#stopRun()
    this.#follow(this.#lock.state.get())
  }

  #follow(state: ChatLockState): void {
    switch (state) {
      case 'waiting':
        if (this.#run === undefined) this.#phase.set({ kind: 'opening' })
        break
      case 'held':
        this.#startRun()
        break
      case 'held-elsewhere':
      case 'taking-over':
        void this.#stopRun()
        this.#phase.set({ kind: 'elsewhere', takingOver: state === 'taking-over' })
        break
      case 'closed':
        void this.#stopRun()
        break
    }
  }

  #startRun(): void {
    if (this.#run !== undefined) return
    this.#phase.set({ kind: 'opening' })
    const run = new ChatRun(this.#nodeAccess, (phase) => {
      // A run that was stopped has nothing more to say.
      if (this.#run === run) this.#phase.set(phase)
    })
    this.#run = run
    void this.#stopping.then(() => run.start())
  }

  #stopRun(): Promise<unknown> {
    const run = this.#run
    this.#run = undefined
    if (run !== undefined) this.#stopping = this.#stopping.then(() => run.stop())
    return this.#stopping
  }
}

/** One life of the chat client. */
class ChatRun {
  readonly #nodeAccess: NodeAccess
  readonly #show: (phase: ChatPhase) => void
  readonly #abort = new AbortController()
  #database: ChatDatabase | undefined
  #started: StartedChat | undefined
  #starting: Promise<void> = Promise.resolve()

  constructor(nodeAccess: NodeAccess, show: (phase: ChatPhase) => void) {
    this.#nodeAccess = nodeAccess
    this.#show = show
  }

  start(): Promise<void> {
    this.#starting = this.#guarded(async () => {
      this.#abort.signal.throwIfAborted()
      this.#database = await ChatDatabase.open(databaseName)
      const account = await this.#database.account()
      if (account === undefined) this.#show({ kind: 'first-run' })
      else await this.#startChat(account, account.session === undefined)
    })
    return this.#starting
  }

  begin(displayName: string): Promise<void> {
    this.#starting = this.#guarded(async () => {
      const account = newAccount(cleanDisplayName(displayName), (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)))
      await this.#database?.putAccount(account)
      await this.#startChat(account, true)
    })
    return this.#starting
  }

  hurry(): void {
    this.#started?.hurry()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#starting
    await this.#started?.stop()
    this.#database?.close()
  }

  async #startChat(account: Account, firstRun: boolean): Promise<void> {
    const database = this.#database
    if (database === undefined) return
    this.#show({ kind: 'starting', step: 'loading', firstRun })
    // The SDK and its crypto are most of the page's weight: they come when the first screen stands.
    const { startChat } = await import('./start-chat.ts')
    this.#abort.signal.throwIfAborted()
    this.#started = await startChat({
      account,
      database,
      fetch: this.#nodeAccess.fetch,
      onStep: (step) => this.#show({ kind: 'starting', step, firstRun }),
      signal: this.#abort.signal,
    })
    this.#show({ kind: 'ready', chat: this.#started.chat })
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.#abort.signal.aborted) return
      // For whoever looks into the console: the sentence says less.
      reportError(error)
      this.#show({ kind: 'failed', reason: describeFailure(error) })
    }
  }
}
