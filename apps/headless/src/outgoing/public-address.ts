import ipaddr from 'ipaddr.js'

/** Of IPv6, what is given out to the public internet lies in here; old ways to write IPv4 addresses as IPv6 ones do not. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an address lies in the public internet. Everything else is refused: one's own machine and network, and every range that
 * carries another address in itself, because what is behind it cannot be told.
 */
export function isPublicAddress(address: string): boolean {
  // A zone names an interface of this machine.
  if (address.includes('%') || !ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return false
  // `unicast` is what the library calls an address that no registry sets aside for something.
  return parsed.range() === 'unicast'
}
