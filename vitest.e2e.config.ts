import { defineConfig } from 'vitest/config'

/** `npm run test:e2e`: real browsers, real relay, real processes; one file at a time, because each wants the machine for itself. */
export default defineConfig({
  test: {
    name: 'e2e',
    include: ['e2e/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: ['tools/require-chromium.ts'],
    silent: 'passed-only',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
