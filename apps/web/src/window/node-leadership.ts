import { nodePortLimits } from '../node-port/limits.ts'
import type { NodeState } from '../node-port/messages.ts'
import { NodeConnection } from '../node-port/node-connection.ts'
import type { NodeRole, NodeStatus } from './node-status.ts'
import { observableValue } from './observable.ts'
import { runNode, type RunningNode } from './run-node.ts'
import { onNewNode, registerServiceWorker, serveOtherTabs, tellServiceWorker } from './tab-bridge.ts'

const LOCK_NAME = 'kith-node'

/**
 * Which tab runs the node, and this tab's way to it.
 *
 * Invariants:
 * 1. A worker runs only while this tab holds the Web Lock `kith-node`.
 * 2. A tab that leads goes on leading until it ends; the others queue for the lock, so that one of them follows at once.
 */
export class NodeLeadership {
  readonly status = observableValue<NodeStatus>({ kind: 'starting', step: 'waiting-for-other-tab' })
  readonly role = observableValue<NodeRole>('following')
  readonly connection = new NodeConnection({ onState: (state) => this.#show(state), onLost: () => this.#showLost() })
  #node: RunningNode | undefined
  #announce: (() => void) | undefined
  #hasServiceWorker = true
  #wasReady = false

  begin(): void {
    if (!('locks' in navigator)) {
      this.#fail(
        'This browser cannot run Kith',
        'Open Kith over https or from localhost, in a current version of Chrome, Edge, Firefox or Safari.',
      )
      return
    }
    const elected = new AbortController()
    navigator.locks
      .request(LOCK_NAME, async () => {
        elected.abort()
        this.#lead()
        // Held until the page ends; the browser then gives it to the next tab in the queue.
        await new Promise<never>(() => undefined)
      })
      .catch(reportError)
    void this.#follow(registerServiceWorker(), elected.signal)
  }

  retry(): void {
    if (this.status.get().kind !== 'failed') return
    if (this.#node !== undefined) this.#start()
    else if (this.#hasServiceWorker) this.connection.drop()
    else location.reload()
  }

  #lead(): void {
    this.role.set('leading')
    this.#announce = serveOtherTabs((port) => this.#node?.attach(port))
    this.#start()
  }

  #start(): void {
    this.status.set(this.#wasReady ? { kind: 'taking-over' } : { kind: 'starting', step: 'loading' })
    this.#node?.stop()
    this.#node = runNode(() => {
      // A worker that has spoken is running; what it did not catch then is in its log.
      if (this.connection.state === undefined) this.#fail('Kith could not be loaded', 'Check the connection and try again.')
    })
    const { port1, port2 } = new MessageChannel()
    this.#node.attach(port2)
    this.connection.use(port1)
    this.#announce?.()
  }

  /** Until this tab leads: asks for a port to the leading tab, and for another when that is lost. */
  async #follow(registered: Promise<boolean>, elected: AbortSignal): Promise<void> {
    this.#hasServiceWorker = await registered
    if (elected.aborted) return
    if (!this.#hasServiceWorker) {
      this.#fail(
        'Kith is already open in another tab',
        'This browser does not let its tabs share Kith. Use the other tab, or close it and try again.',
      )
      return
    }
    onNewNode(() => this.connection.drop(), elected)
    while (!elected.aborted) {
      const { port1, port2 } = new MessageChannel()
      const client = this.connection.use(port1)
      await Promise.race([tellServiceWorker({ kind: 'kith:connect' }, port2), abortOf(elected)])
      await client.greeted().catch(() => undefined)
      await this.connection.lost(client, elected)
      await Promise.race([pause(nodePortLimits.reconnectPauseMs), abortOf(elected)])
    }
  }

  #show(state: NodeState): void {
    if (state.kind === 'ready') this.#wasReady = true
    // On the way to another tab its steps are of no interest, only the outcome.
    if (state.kind === 'starting' && this.#wasReady) this.status.set({ kind: 'taking-over' })
    else this.status.set(state)
  }

  #showLost(): void {
    if (this.#wasReady) this.status.set({ kind: 'taking-over' })
  }

  #fail(message: string, whatToDo: string): void {
    this.connection.fail({ kind: 'failed', message, whatToDo })
  }
}

function abortOf(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

function pause(durationMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setTimeout(resolve, durationMs)
  return promise
}
