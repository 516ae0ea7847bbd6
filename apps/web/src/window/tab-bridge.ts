import { parseTabMessage, type TabMessage } from '../node-port/tab-messages.ts'

const CHANNEL_NAME = 'kith-node'

/** Registers the service worker; false where the browser has none or refuses, which leaves a single tab working. */
export async function registerServiceWorker(): Promise<boolean> {
  if (!('serviceWorker' in navigator)) return false
  try {
    await navigator.serviceWorker.register('/service-worker.js', { updateViaCache: 'none' })
    return true
  } catch {
    return false
  }
}

/** Sends to the service worker, once there is an active one. */
export async function tellServiceWorker(message: TabMessage, port: MessagePort): Promise<void> {
  // Not `controller`: a hard reload leaves a page without one.
  const { active } = await navigator.serviceWorker.ready
  active?.postMessage(message, [port])
}

/**
 * What the leading tab does for the others: says that it leads, and passes on their ports. Lasts to the end of the page.
 * Returns the function that announces a new node to the service worker and to the other tabs.
 */
export function serveOtherTabs(attach: (port: MessagePort) => void): () => void {
  const channel = new BroadcastChannel(CHANNEL_NAME)
  if (!('serviceWorker' in navigator)) return () => undefined
  const offerPort = () => {
    const { port1, port2 } = new MessageChannel()
    attach(port1)
    void tellServiceWorker({ kind: 'kith:node-port' }, port2)
  }
  navigator.serviceWorker.addEventListener('message', ({ data, ports: [port] }) => {
    const message = parseTabMessage(data)
    if (message === undefined || port === undefined) return
    switch (message.kind) {
      case 'kith:who-leads':
        return port.postMessage({ kind: 'kith:leading' } satisfies TabMessage)
      case 'kith:connect':
        return attach(port)
      case 'kith:leading':
      case 'kith:node-port':
        return
    }
  })
  navigator.serviceWorker.startMessages()
  navigator.serviceWorker.addEventListener('controllerchange', offerPort)
  return () => {
    offerPort()
    channel.postMessage({ kind: 'kith:leading' } satisfies TabMessage)
  }
}

/** Calls back when another tab has started a node: whatever port there is leads to a former one. */
export function onNewNode(listener: () => void, signal: AbortSignal): void {
  const channel = new BroadcastChannel(CHANNEL_NAME)
  channel.addEventListener('message', listener)
  signal.addEventListener('abort', () => channel.close())
}
