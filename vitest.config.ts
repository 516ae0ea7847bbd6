import { defineConfig } from 'vitest/config'

const elsewhere = ['**/node_modules/**', '**/dist/**', '**/*.conformance.test.ts', '**/*.simulation.test.ts']

// Timeouts end what hangs. They measure nothing, so they are far above what the slowest machine needs.

/** `npm test`: unit and property tests, and tests that need a browser (`*.browser.test.ts`). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{packages,apps}/**/*.test.{ts,tsx}'],
          exclude: [...elsewhere, '**/*.browser.test.ts'],
          // Every core: the default leaves one of them idle.
          maxWorkers: '100%',
          setupFiles: ['tools/property-seed.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 45_000 } },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['{packages,apps}/**/*.browser.test.ts'],
          exclude: elsewhere,
          globalSetup: ['tools/require-chromium.ts'],
          fileParallelism: false,
          setupFiles: ['tools/property-seed.ts'],
          // After the unit tests: a browser that has to share the machine with all of them is a slower device than any person's.
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        test: {
          name: 'gates',
          include: ['tools/**/*.test.ts'],
          exclude: elsewhere,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          // Each gate looks through the whole tree, twice in one hook.
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
