import { defineConfig } from 'vitest/config'

/**
 * `npm run test:simulation`: generated worlds of real homeservers. KITH_SEEDS says how many (200), KITH_FIRST_SEED which is the first (1),
 * KITH_SHRINK=1 shortens the scenario of a failure.
 */
export default defineConfig({
  test: {
    name: 'simulation',
    include: ['packages/testkit/simulation/**/*.simulation.test.ts'],
    globalSetup: ['packages/testkit/simulation/figures.test-support.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 10 * 60_000,
    slowTestThreshold: 60_000,
  },
})
