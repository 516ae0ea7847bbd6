import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

/** Of IPv6, what is given out to the public internet lies in here; old ways to write IPv4 addresses as IPv6 ones do not. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an address lies in the public internet. Everything else is refused: one's own machine and network, and every range that
 * carries another address in itself, because what is behind it cannot be told. Machines of one's own network may have public addresses,
 * and so may this one: whatever is in a subnet of one of its interfaces is refused too.
 * @param subnets those of the interfaces, as they are now: a machine goes from one network to another.
 */
export function isPublicAddress(address: string, subnets: readonly string[] = ownSubnets()): boolean {
  // A zone names an interface of this machine.
  if (address.includes('%') || !ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return false
  if (subnets.some((subnet) => liesIn(parsed, subnet))) return false
  // `unicast` is what the library calls an address that no registry sets aside for something.
  return parsed.range() === 'unicast'
}

function ownSubnets(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.flatMap(({ cidr }) => cidr ?? []))
}

function liesIn(address: ipaddr.IPv4 | ipaddr.IPv6, subnet: string): boolean {
  const [base, bits] = ipaddr.parseCIDR(subnet)
  return base.kind() === address.kind() && address.match(base, bits)
}
