const CONFIG_PATH = '/kith-config.json'
const ANSWER_WITHIN_MS = 3_000
const RELAYS_MAX = 16
const ADDRESS_LENGTH_MAX = 1024

/** The relays that whoever serves this page offers, as multiaddrs; undefined when there is no answer, as when offline. */
export async function fetchServedRelays(): Promise<readonly string[] | undefined> {
  try {
    const response = await fetch(CONFIG_PATH, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    return response.ok ? parseServedRelays(await response.json()) : undefined
  } catch {
    return undefined
  }
}

export function parseServedRelays(config: unknown): readonly string[] | undefined {
  if (typeof config !== 'object' || config === null || !('relays' in config) || !Array.isArray(config.relays)) return undefined
  const addresses = config.relays.filter(
    (address): address is string => typeof address === 'string' && address.startsWith('/') && address.length <= ADDRESS_LENGTH_MAX,
  )
  return addresses.slice(0, RELAYS_MAX)
}
