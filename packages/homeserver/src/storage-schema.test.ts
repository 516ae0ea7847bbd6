import { expect, test } from 'vitest'
import {
  fingerprintOf,
  homeserverSchemaFingerprints,
  homeserverSchemaVersion,
  homeserverTableNames,
  relayTableNames,
} from './storage-schema.ts'

test('no two tables share a name', () => {
  const names = [...homeserverTableNames, ...relayTableNames]
  expect(new Set(names).size).toBe(names.length)
})

test('the schema version belongs to this list of tables; a changed list needs a new fingerprint at the end', () => {
  expect(homeserverSchemaFingerprints[homeserverSchemaVersion - 1]).toBe(fingerprintOf(homeserverTableNames))
})

test('a changed list has another fingerprint, a reordered one has not', () => {
  expect(fingerprintOf([...homeserverTableNames, 'new.table'])).not.toBe(fingerprintOf(homeserverTableNames))
  expect(fingerprintOf(homeserverTableNames.slice(1))).not.toBe(fingerprintOf(homeserverTableNames))
  expect(fingerprintOf(homeserverTableNames.toReversed())).toBe(fingerprintOf(homeserverTableNames))
})
