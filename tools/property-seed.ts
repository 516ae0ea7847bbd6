import fc from 'fast-check'
import { beforeEach } from 'vitest'

/**
 * Each property is tried with the same cases every time, so that a test fails by what was changed and never by chance. Who looks for cases
 * that nobody has seen gives other numbers: KITH_PROPERTY_SEED=1234 npx vitest run --project unit sync.
 */
const chosen = Number(process.env['KITH_PROPERTY_SEED'] ?? 0)

// A seed of its own for each test: those that differ in the room's version only shall not differ in nothing but that.
beforeEach(({ task }) => fc.configureGlobal({ seed: seedOf(`${chosen} ${task.fullTestName}`) }))

/** FNV-1a. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}
