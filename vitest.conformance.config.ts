import { defineConfig } from 'vitest/config'

/** `npm run test:conformance`: against the Matrix specification's data and vectors, which lie beside the tree in ../shared. */
export default defineConfig({
  test: {
    name: 'conformance',
    include: ['{packages,apps}/**/*.conformance.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: ['tools/require-shared.ts'],
    maxWorkers: '100%',
    setupFiles: ['tools/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
