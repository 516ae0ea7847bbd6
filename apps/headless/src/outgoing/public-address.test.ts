import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { isPublicAddress } from './public-address.ts'

vi.mock(import('node:os'), { spy: true })

/** First addresses and last, of every range that is not the public internet. */
const closed = [
  ...['0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255', '127.0.0.1', '127.255.255.255'],
  ...['169.254.0.0', '169.254.169.254', '172.16.0.0', '172.31.255.255', '192.0.0.0', '192.0.2.1', '192.88.99.1', '192.168.0.0'],
  ...['192.168.255.255', '198.18.0.0', '198.19.255.255', '198.51.100.7', '203.0.113.7', '224.0.0.1', '239.255.255.255', '240.0.0.0'],
  ...['255.255.255.255', '::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::a00:1'],
  ...[
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fdff::1',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1111%eth0',
    'febf::1',
    'fec0::1',
    'ff02::1',
  ],
]

describe('public addresses', () => {
  test.each(closed)('%s is none', (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '2606:4700::1111',
  ])('%s is one', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  test('an address of this machine, or of the network that it is in, is none', () => {
    const subnets = ['2a02:8070:1:2::10/64', '89.12.34.56/24', '85.1.2.3/32', 'fe80::1/64', '10.8.0.1/24']
    const own = ['2a02:8070:1:2::10', '2a02:8070:1:2:ffff::1', '89.12.34.56', '89.12.34.1', '85.1.2.3']
    expect(own.filter((address) => isPublicAddress(address, subnets))).toEqual([])
    const others = ['2a02:8070:1:3::10', '89.12.35.56', '85.1.2.4', '1.1.1.1']
    expect(others.filter((address) => isPublicAddress(address, subnets))).toEqual(others)
    expect(isPublicAddress('89.12.34.1', [])).toBe(true)
  })

  test('what the interfaces have is looked at for each address', () => {
    const address = '89.12.34.1'
    expect(isPublicAddress(address)).toBe(true)
    const common = { netmask: '255.255.255.0', family: 'IPv4', mac: '00:00:00:00:00:00', internal: false } as const
    vi.mocked(networkInterfaces).mockReturnValueOnce({
      eth0: [{ ...common, address: '89.12.34.56', cidr: '89.12.34.56/24' }],
      eth1: [{ ...common, address: '10.0.0.1', cidr: null }],
    })
    expect(isPublicAddress(address)).toBe(false)
    expect(isPublicAddress(address)).toBe(true)
  })

  test('a private address is none, in whatever form', () => {
    const byte = fc.nat(255)
    const inside = fc.oneof(
      fc.tuple(fc.constant(10), byte, byte, byte),
      fc.tuple(fc.constant(127), byte, byte, byte),
      fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte, byte),
    )
    const form = fc.constantFrom(
      'decimal',
      'octal',
      'hex',
      'one number',
      'short',
      'mapped',
      'mapped hex',
      'compatible',
      'nat64',
      '6to4',
      'dotted',
    )
    fc.assert(
      fc.property(inside, form, ([a, b, c, d], how) => {
        const hex = (...parts: readonly number[]): string => parts.map((part) => part.toString(16).padStart(2, '0')).join('')
        const host = {
          decimal: `${a}.${b}.${c}.${d}`,
          octal: [a, b, c, d].map((part) => `0${part.toString(8)}`).join('.'),
          hex: [a, b, c, d].map((part) => `0x${part.toString(16)}`).join('.'),
          'one number': `${((a * 256 + b) * 256 + c) * 256 + d}`,
          short: `${a}.${(b * 256 + c) * 256 + d}`,
          mapped: `[::ffff:${a}.${b}.${c}.${d}]`,
          'mapped hex': `[::ffff:${hex(a, b)}:${hex(c, d)}]`,
          compatible: `[::${hex(a, b)}:${hex(c, d)}]`,
          nat64: `[64:ff9b::${hex(a, b)}:${hex(c, d)}]`,
          '6to4': `[2002:${hex(a, b)}:${hex(c, d)}::1]`,
          dotted: `${a}.${b}.${c}.${d}.`,
        }[how]
        // As requests see it: the URL has told all forms of an address from names.
        const literal = new URL(`http://${host}/`).hostname.replace(/^\[(.*)\]$/, '$1')
        expect(isPublicAddress(literal)).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })
})
