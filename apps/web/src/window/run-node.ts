import { hostRtc } from '@kith/p2p/rtc-host'
import type { MessageToWorker } from '../homeserver-worker/worker-messages.ts'

/** The homeserver's worker with what only a window can give it. Lives until `stop` or the end of the page. */
export interface RunningNode {
  /** Gives the node a port to serve. */
  readonly attach: (port: MessagePort) => void
  readonly stop: () => void
}

/** `onCrash` is called when the worker's script could not be loaded or threw before it reported anything. */
export function runNode(onCrash: () => void): RunningNode {
  const worker = new Worker(new URL('../homeserver-worker/homeserver-worker.ts', import.meta.url), {
    type: 'module',
    name: 'kith-homeserver',
  })
  const rtc = new MessageChannel()
  const host = hostRtc(rtc.port1)
  const tell = (message: MessageToWorker, port: MessagePort) => worker.postMessage(message, [port])
  worker.addEventListener('error', (event) => {
    // Errors inside a running worker are told on its ports; only a script that did not load leaves no other trace.
    if (!(event instanceof ErrorEvent)) onCrash()
  })
  tell({ kind: 'start' }, rtc.port2)
  return {
    attach: (port) => tell({ kind: 'attach' }, port),
    stop: () => {
      host[Symbol.dispose]()
      worker.terminate()
    },
  }
}
