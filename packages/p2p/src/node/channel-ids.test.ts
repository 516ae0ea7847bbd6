import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChannelIds, channelIdParity } from './channel-ids.ts'

const ID_MAX = 1023

describe('ids of data channels', () => {
  test('are never in use twice, and come back only after all others were used', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1), fc.array(fc.nat(9), { maxLength: 2000 }), (parity, steps) => {
        const ids = new ChannelIds(parity, ID_MAX)
        const inUse: number[] = []
        const lastUse = new Map<number, number>()
        let opened = 0
        let mostInUse = 0
        for (const step of steps) {
          const closing = inUse[step]
          if (closing !== undefined && inUse.length > 5) {
            inUse.splice(step, 1)
            ids.release(closing)
            continue
          }
          const id = ids.take()
          if (id === undefined) throw new Error('no id')
          expect(inUse).not.toContain(id)
          expect(id % 2).toBe(parity)
          const before = lastUse.get(id)
          expect(opened - (before ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual((ID_MAX - 32) / 2 - mostInUse)
          lastUse.set(id, opened++)
          inUse.push(id)
          mostInUse = Math.max(mostInUse, inUse.length)
        }
      }),
    )
  })

  test('come to an end when all are in use', () => {
    const ids = new ChannelIds(1, 36)
    expect([ids.take(), ids.take(), ids.take()]).toEqual([33, 35, undefined])
    ids.release(33)
    expect(ids.take()).toBe(33)
  })

  test.each([
    ['active', 'actpass', 0],
    ['actpass', 'passive', 0],
    ['passive', 'active', 1],
    ['actpass', 'active', 1],
    ['actpass', 'actpass', undefined],
    ['actpass', undefined, undefined],
  ] as const)('this side %s and the peer %s: parity %s', (local, remote, parity) => {
    const describeSide = (setup: string): { sdp: string } => ({ sdp: `v=0\r\na=setup:${setup}\r\na=mid:0\r\n` })
    const remoteDescription = remote === undefined ? null : describeSide(remote)
    expect(channelIdParity({ localDescription: describeSide(local), remoteDescription })).toBe(parity)
  })
})
