import { parseServerName, publicKeyFromServerName, type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'

const BASE58_ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** An identity multihash of 36 bytes that holds a protobuf: key type 1 (Ed25519), then 32 bytes of key. libp2p specification, peer ids. */
const ED25519_PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const PUBLIC_KEY_LENGTH = 32
const PEER_ID_CHARACTERS_MAX = 80

export interface RelayAddresses {
  readonly server: ServerName
  readonly addresses: readonly string[]
}

/** The server at the end of a multiaddr, from its last `/p2p/…`; undefined when it does not end in one with an Ed25519 key. */
function serverOfAddress(address: string): ServerName | undefined {
  if (address.length > limits.implementation.addressCharactersMax || !address.startsWith('/')) return undefined
  const parts = address.split('/')
  const peerId = parts.at(-1)
  if (parts.at(-2) !== 'p2p' || peerId === undefined) return undefined
  return serverOfPeerId(peerId)
}

function serverOfPeerId(peerId: string): ServerName | undefined {
  const named = parseServerName(peerId)
  if (named !== undefined && publicKeyFromServerName(named) !== undefined) return named
  const bytes = decodeBase58(peerId)
  if (bytes?.length !== ED25519_PEER_ID_PREFIX.length + PUBLIC_KEY_LENGTH) return undefined
  if (!ED25519_PEER_ID_PREFIX.every((byte, index) => bytes[index] === byte)) return undefined
  return serverNameFromPublicKey(bytes.subarray(ED25519_PEER_ID_PREFIX.length))
}

function decodeBase58(text: string): Uint8Array | undefined {
  if (text.length > PEER_ID_CHARACTERS_MAX) return undefined
  const bytes: number[] = []
  for (const character of text) {
    let carry = BASE58_ALPHABET.indexOf(character)
    if (carry < 0) return undefined
    for (let index = 0; index < bytes.length; index++) {
      carry += (bytes[index] ?? 0) * 58
      bytes[index] = carry & 0xff
      carry >>= 8
    }
    for (; carry > 0; carry >>= 8) bytes.push(carry & 0xff)
  }
  const zeros = /^1*/.exec(text)?.[0].length ?? 0
  return Uint8Array.from([...new Array<number>(zeros).fill(0), ...bytes.toReversed()])
}

/** Groups multiaddrs by the server at their end; undefined when one of them has none. */
export function groupAddresses(addresses: readonly string[]): RelayAddresses[] | undefined {
  const groups = new Map<ServerName, string[]>()
  for (const address of addresses) {
    const server = serverOfAddress(address)
    if (server === undefined) return undefined
    const group = groups.get(server) ?? []
    if (!group.includes(address)) group.push(address)
    groups.set(server, group)
  }
  return Array.from(groups, ([server, group]) => ({ server, addresses: group.slice(0, limits.implementation.addressesPerRelayMax) }))
}
