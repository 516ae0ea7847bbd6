import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

/** A folder of its own, which goes in the end with all that is in it. */
export async function makeTemporaryFolder(prefix: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), prefix))
  return {
    path,
    // Processes of a browser that was closed may still be writing to its profile.
    [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }),
  }
}
