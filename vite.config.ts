import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { withoutFilesPlugin } from './apps/web/src/build/without-files-plugin.ts'
import { serviceWorkerPlugin } from './apps/web/src/build/service-worker-plugin.ts'

const web = fileURLToPath(new URL('apps/web/', import.meta.url))

/** Builds the page with its workers into apps/web/dist. */
export default defineConfig({
  root: web,
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // The crypto engine's WebAssembly and nothing else comes near a size that is worth a warning.
    chunkSizeWarningLimit: 1500,
  },
  worker: { format: 'es' },
  // They load their WebAssembly beside themselves, which pre-bundling would break.
  optimizeDeps: { exclude: ['@matrix-org/matrix-sdk-crypto-wasm', '@sqlite.org/sqlite-wasm'] },
  plugins: [
    react(),
    // SQLite runs in the homeserver's worker, with files that need no worker of their own.
    withoutFilesPlugin([/\/sqlite3-worker1-/, /\/sqlite3-opfs-async-proxy-/]),
    serviceWorkerPlugin({ source: `${web}src/service-worker/service-worker.ts`, fileName: 'service-worker.js' }),
  ],
})
