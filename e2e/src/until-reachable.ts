import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Json } from '@kith/testkit/world/json'
import { askAt } from './api-account.ts'

/** A server answers its clients before it has its places at its relays, where others can reach it. */
export async function untilReachable(baseUrl: string, accessToken: string | null, relayCount: number): Promise<void> {
  const ask = askAt(baseUrl)
  await eventually(`${baseUrl} can be reached by ${relayCount} relays`, PATIENCE_MS, async () => {
    const { body } = await ask('GET', '/_matrix/client/unstable/im.kith/network', undefined, accessToken ?? undefined)
    const relays = body.addresses.flatMap((address: Json) => /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1] ?? [])
    return new Set(relays).size === relayCount
  })
}
