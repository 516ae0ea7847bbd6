import { NodeConnection } from '../node-port/node-connection.ts'
import type { NodePortClient } from '../node-port/node-port-client.ts'
import { nodePortLimits } from '../node-port/limits.ts'
import { parseTabMessage, type TabMessage } from '../node-port/tab-messages.ts'
import { serviceWorkerLimits } from './limits.ts'

/**
 * Brings requests and other tabs to the tab that leads.
 *
 * Invariants:
 * 1. Nothing here must survive: without a port the tabs are asked who leads, as often as it takes.
 * 2. A port is used only while the tab that gave it exists; not every browser tells when the other end of a port is gone.
 */
export class NodeBroker {
  readonly #clients: Clients
  readonly #connection = new NodeConnection({ onLost: () => void this.#connect() })
  #leader: Client | undefined
  #connecting: Promise<void> | undefined
  /** Until then somebody is waiting for a node. */
  #wantedUntil = 0

  constructor(clients: Clients) {
    this.#clients = clients
  }

  async receive({ data, ports: [port], source }: ExtendableMessageEvent): Promise<void> {
    const message = parseTabMessage(data)
    if (message === undefined || port === undefined) return
    switch (message.kind) {
      case 'kith:node-port':
        if (source instanceof Client) this.#leader = source
        this.#connection.use(port)
        return
      case 'kith:connect':
        return this.#passOn(port)
      case 'kith:who-leads':
      case 'kith:leading':
        return
    }
  }

  /** @throws the signal's reason when no node is found until then; TypeError when the node could not start. */
  async ready(signal: AbortSignal): Promise<NodePortClient> {
    if (this.#leader !== undefined && !(await this.#exists(this.#leader))) {
      this.#leader = undefined
      this.#connection.drop()
    }
    this.#wantedUntil = Date.now() + serviceWorkerLimits.nodeWithinMs
    void this.#connect()
    return this.#connection.ready(signal)
  }

  /** Without a leader the port is dropped: the tab tries again. */
  async #passOn(port: MessagePort): Promise<void> {
    const leader = await this.#findLeader()
    if (leader === undefined) port.close()
    else leader.postMessage({ kind: 'kith:connect' } satisfies TabMessage, [port])
  }

  async #connect(): Promise<void> {
    this.#connecting ??= this.#connectWhileWanted().finally(() => (this.#connecting = undefined))
    return this.#connecting
  }

  async #connectWhileWanted(): Promise<void> {
    while (this.#connection.state === undefined && Date.now() < this.#wantedUntil) {
      const leader = await this.#findLeader()
      // Meanwhile the leader may have given a port by itself.
      if (this.#connection.state !== undefined) return
      if (leader === undefined) {
        await new Promise((resolve) => setTimeout(resolve, serviceWorkerLimits.leaderPauseMs))
      } else {
        const { port1, port2 } = new MessageChannel()
        const client = this.#connection.use(port1)
        leader.postMessage({ kind: 'kith:connect' } satisfies TabMessage, [port2])
        await client.greeted(nodePortLimits.greetingMs).catch(() => undefined)
      }
    }
  }

  async #findLeader(): Promise<Client | undefined> {
    if (this.#leader !== undefined && (await this.#exists(this.#leader))) return this.#leader
    const tabs = await this.#clients.matchAll({ type: 'window', includeUncontrolled: true })
    if (tabs.length === 0) return undefined
    const { promise, resolve } = Promise.withResolvers<Client | undefined>()
    const timer = setTimeout(() => resolve(undefined), serviceWorkerLimits.leaderAnswersWithinMs)
    for (const tab of tabs) {
      const { port1, port2 } = new MessageChannel()
      port1.addEventListener('message', () => resolve(tab))
      port1.start()
      tab.postMessage({ kind: 'kith:who-leads' } satisfies TabMessage, [port2])
    }
    this.#leader = await promise
    clearTimeout(timer)
    return this.#leader
  }

  async #exists(client: Client): Promise<boolean> {
    return (await this.#clients.get(client.id)) !== undefined
  }
}
