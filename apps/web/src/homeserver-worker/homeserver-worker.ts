import { installRtcProxy } from '@kith/p2p/rtc-proxy'
import { NodePorts } from '../node-port/serve-node-ports.ts'
import { consoleLog } from './console-log.ts'
import { explainFailure } from './explain-failure.ts'
import type { MessageToWorker } from './worker-messages.ts'

declare const self: DedicatedWorkerGlobalScope

/** Held by the worker itself, not by its tab: while a closed tab's worker is still writing, the next one waits. */
const DATA_LOCK_NAME = 'kith-node-data'

const nodePorts = new NodePorts()

self.addEventListener('message', ({ data, ports: [port] }: MessageEvent<MessageToWorker>) => {
  if (port === undefined) return
  switch (data.kind) {
    case 'start':
      installRtcProxy(port)
      navigator.locks.request(DATA_LOCK_NAME, run).catch(reportFailure)
      return
    case 'attach':
      return nodePorts.attach(port)
  }
})

self.addEventListener('unhandledrejection', (event) => {
  consoleLog.error('unhandled rejection', { error: String(event.reason) })
  event.preventDefault()
})

async function run(): Promise<void> {
  // Loaded only now: libp2p looks for RTCPeerConnection while it loads.
  const { startHomeserver } = await import('./start-homeserver.ts')
  const { serverName, answer } = await startHomeserver((step) => nodePorts.report({ kind: 'starting', step }))
  nodePorts.ready(serverName, answer)
  // The lock is held until the worker ends.
  await new Promise<never>(() => undefined)
}

function reportFailure(error: unknown): void {
  consoleLog.error('the homeserver did not start', { error: String(error) })
  nodePorts.report({ kind: 'failed', ...explainFailure(error) })
}
