import { describe, expect, test } from 'vitest'
import { alice } from '../events/pdu-fixture.ts'
import { supportedRoomVersions } from '../room-versions/room-version.ts'
import { powerLevelOf, readLevel } from './power-levels.ts'

describe.each(supportedRoomVersions)('room version $id', (version) => {
  const number = Number(version.id)

  test.each([
    [50, 50, 12],
    [-50, -50, 12],
    ['50', 50, 9],
    ['000100', 100, 9],
    ['+100', 100, 9],
    ['-100', -100, 9],
    [' \t 00100 \n', 100, 9],
    [50.57, 50, 5],
    [-50.57, -50, 5],
    [2 ** 60, 2 ** 60, 5],
    [String(2 ** 60), 2 ** 60, 5],
  ])('%j is %d up to version 12, or less', (value, level, lastVersion) => {
    expect(readLevel(value, version)).toBe(number <= lastVersion ? level : undefined)
  })

  test.each(['50.57', '5e1', '0x32', '', ' ', '+-5', '5 0', '1_000', '٥', NaN, Infinity, null, true, [], {}, [5]])(
    '%j is none',
    (value) => {
      expect(readLevel(value, version)).toBeUndefined()
    },
  )

  test('a level that is none counts as one that is not there', () => {
    expect(powerLevelOf(alice, { users: { [alice]: 'x' }, users_default: 7 }, undefined, version)).toBe(7)
  })
})
