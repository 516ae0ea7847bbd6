/** The ids of data channels that were opened before a connection was up are chosen by the library; they are all below this one. */
const ID_MIN = 32

/** Ids for the data channels that one side of a connection opens. An id that became free is given again as late as possible. */
export class ChannelIds {
  readonly #free: number[] = []

  /** The two sides of a connection use ids of different parity. */
  constructor(parity: 0 | 1, idMax: number) {
    for (let id = ID_MIN + parity; id <= idMax; id += 2) this.#free.push(id)
  }

  /** Undefined when all are in use. */
  take(): number | undefined {
    return this.#free.shift()
  }

  release(id: number): void {
    this.#free.push(id)
  }
}

interface Described {
  readonly localDescription: { readonly sdp: string } | null
  readonly remoteDescription: { readonly sdp: string } | null
}

/** The client of DTLS uses even ids, its server odd ones (RFC 8832, section 6). Undefined while it is open which side is which. */
export function channelIdParity({ localDescription, remoteDescription }: Described): 0 | 1 | undefined {
  const local = setupOf(localDescription)
  const remote = setupOf(remoteDescription)
  if (local === 'active' || remote === 'passive') return 0
  if (local === 'passive' || remote === 'active') return 1
  return undefined
}

/** See RFC 4145, section 4. */
function setupOf(description: { readonly sdp: string } | null): string | undefined {
  return description === null ? undefined : /^a=setup:(\w+)/m.exec(description.sdp)?.[1]
}
