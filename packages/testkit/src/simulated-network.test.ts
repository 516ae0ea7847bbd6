import type { Clock } from '@kith/homeserver/ports'
import { type NetworkPair, peerNetworkSuite } from './peer-network-suite.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { SimulatedWorld } from './simulated-world.ts'

/** The suite waits by the clock on the wall. */
const wallClock: Clock = {
  now: () => Date.now(),
  sleep(durationMs, signal) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, durationMs)
      signal.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason)), { once: true })
    })
  },
}

peerNetworkSuite('the simulated network', async (handlers): Promise<NetworkPair> => {
  const world = new SimulatedWorld(1)
  const network = new SimulatedNetwork({ clock: wallClock, random: new SeededRandom(1), delayMinMs: 0, delayMaxMs: 2 })
  const asker = network.node(world.createIdentity().server)
  const answerer = network.node(world.createIdentity().server)
  asker.serve(handlers.asker)
  answerer.serve(handlers.answerer)
  await asker.start(new AbortController().signal)
  await answerer.start(new AbortController().signal)
  return {
    asker: { network: asker, server: asker.server },
    answerer: { network: answerer, server: answerer.server },
    kill: async () => answerer.goDown(),
    async [Symbol.asyncDispose]() {
      await asker[Symbol.asyncDispose]()
      await answerer[Symbol.asyncDispose]()
    },
  }
})
