import {
  ProxyCertificate,
  ProxyConnection,
  ProxyIceCandidate,
  ProxySessionDescription,
  type ProxyConfiguration,
} from './proxy-connection.ts'
import { RtcPort } from './rtc-port.ts'

/**
 * Gives a worker the WebRTC of its window: sets `globalThis.RTCPeerConnection`, `RTCSessionDescription` and `RTCIceCandidate`, so that
 * @libp2p/webrtc runs here unmodified. The port's other end goes to `hostRtc` in the window. Must come before `createBrowserNetwork`,
 * which loads @libp2p/webrtc only then. Disposing closes all connections.
 */
export function installRtcProxy(messagePort: MessagePort): Disposable {
  const port = new RtcPort(messagePort)

  class RTCPeerConnection extends ProxyConnection {
    constructor(configuration?: ProxyConfiguration) {
      super(port, configuration)
    }

    /** Always ECDSA on P-256, whatever is asked: the only kind that libp2p uses. */
    static async generateCertificate(): Promise<ProxyCertificate> {
      const made = await port.call((call) => ({ kind: 'generate-certificate', call }))
      if (typeof made !== 'object' || made === null || !('handle' in made) || !('expires' in made))
        throw new Error('The window made no certificate')
      return new ProxyCertificate(Number(made.handle), Number(made.expires))
    }
  }

  Object.assign(globalThis, { RTCPeerConnection, RTCSessionDescription: ProxySessionDescription, RTCIceCandidate: ProxyIceCandidate })
  return { [Symbol.dispose]: () => port.dispose() }
}
