import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
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
  // Loads its WebAssembly beside itself, which pre-bundling would break.
  optimizeDeps: { exclude: ['@matrix-org/matrix-sdk-crypto-wasm'] },
  plugins: [react(), serviceWorkerPlugin({ source: `${web}src/service-worker/service-worker.ts`, fileName: 'service-worker.js' })],
})
