import { hostRtc } from '@kith/p2p/rtc-host'
import type { MessageToWorker } from '../homeserver-worker/worker-messages.ts'

/** The homeserver's worker with what only a window can give it. Lives until `stop` or the end of the page. */
export interface RunningNode {
  /** Gives the node a port to serve. */
  readonly attach: (port: MessagePort) => void
  readonly stop: () => void
}

/** `onError` hears of a script that did not load, and of errors that a running worker did not catch. */
export function runNode(onError: () => void): RunningNode {
  const worker = new Worker(new URL('../homeserver-worker/homeserver-worker.ts', import.meta.url), {
    type: 'module',
    name: 'kith-homeserver',
  })
  const rtc = new MessageChannel()
  const host = hostRtc(rtc.port1)
  const tell = (message: MessageToWorker, port: MessagePort) => worker.postMessage(message, [port])
  worker.addEventListener('error', onError)
  tell({ kind: 'start' }, rtc.port2)
  return {
    attach: (port) => tell({ kind: 'attach' }, port),
    stop: () => {
      host[Symbol.dispose]()
      worker.terminate()
    },
  }
}
