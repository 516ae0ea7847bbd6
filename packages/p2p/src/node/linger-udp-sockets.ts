import type { Listener, Transport } from '@libp2p/interface'

const LINGER_MS = 5_000

/**
 * The WebRTC-direct transport, whose UDP sockets stay for some seconds after libp2p stopped listening.
 *
 * node-datachannel 0.33 frees a stopped listener at once, while the thread that reads its port lives on until all connections that came
 * in there are destroyed, which takes their threads a second or two. A datagram in that time calls into freed memory and ends the
 * process; browsers that lost their relay send such datagrams immediately. Until it is really stopped, the socket ignores what comes.
 * A process that wants to end sooner may just exit.
 */
export function lingerUdpSockets<Components>(create: (components: Components) => Transport): (components: Components) => Transport {
  return (components) => {
    const transport = create(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => lingerSocketOf(createListener(options))
    return transport
  }
}

function lingerSocketOf(listener: Listener): Listener {
  const listen = listener.listen.bind(listener)
  listener.listen = async (address) => {
    await listen(address)
    const server = 'stunServer' in listener ? listener.stunServer : undefined
    if (!isServer(server)) throw new Error('The WebRTC-direct listener has changed: its socket was not found')
    const close = server.close.bind(server)
    server.close = async () => void setTimeout(() => void close(), LINGER_MS)
  }
  return listener
}

function isServer(value: unknown): value is { close: () => Promise<void> } {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function'
}
