import { hostRtc, type RtcConnectionSummary } from '../../src/rtc-host/rtc-host.ts'
import type { AnswerMessage, CallMessage } from './page-calls.ts'

declare global {
  interface Window {
    call(name: CallMessage['name'], parameters: readonly unknown[]): Promise<unknown>
    rtcSummaries(): Promise<RtcConnectionSummary[]>
  }
}

const pump = new URLSearchParams(location.search).has('pump')
const worker = new Worker(new URL('../worker/worker.ts', import.meta.url), { type: 'module' })
const { port1, port2 } = new MessageChannel()
const host = hostRtc(pump ? refusingTransfers(port1) : port1)
worker.postMessage('rtc', [port2])

const pending = new Map<number, PromiseWithResolvers<unknown>>()
let nextId = 0

worker.addEventListener('message', ({ data }: MessageEvent<AnswerMessage>) => {
  const call = pending.get(data.id)
  pending.delete(data.id)
  if ('error' in data) call?.reject(new Error(data.error))
  else call?.resolve(data.value)
})

window.call = async (name, parameters) => {
  const call = Promise.withResolvers<unknown>()
  const id = ++nextId
  pending.set(id, call)
  worker.postMessage({ id, name, parameters } satisfies CallMessage)
  return call.promise
}

window.rtcSummaries = async () => host.summaries()

/** A port as of a browser that cannot transfer data channels. */
function refusingTransfers(port: MessagePort): MessagePort {
  const post = port.postMessage.bind(port)
  port.postMessage = (message: unknown, transfer?: Transferable[] | StructuredSerializeOptions) => {
    const list = Array.isArray(transfer) ? transfer : []
    if (list.some((item: unknown) => item instanceof RTCDataChannel)) throw new DOMException('not transferable', 'DataCloneError')
    post(message, list)
  }
  return port
}
