import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeRandom } from './node-ports.ts'

const SEED_LENGTH = 32

/**
 * The node's Ed25519 seed, kept in `identity.seed` (hexadecimal, readable by its owner only); made at the first start.
 * Call it only while holding the lock of the data directory, so that two processes cannot make two identities.
 * @throws Error when the file exists and is damaged: a new identity would silently replace the old one.
 */
export async function loadOrCreateSeed(dataDirectory: string): Promise<Uint8Array> {
  const path = join(dataDirectory, 'identity.seed')
  const existing = await readIfPresent(path)
  if (existing !== undefined) return parseSeed(existing, path)
  const seed = nodeRandom.bytes(SEED_LENGTH)
  await writeDurably(path, Buffer.from(seed).toString('hex'))
  return seed
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseSeed(text: string, path: string): Uint8Array {
  const seed = new Uint8Array(Buffer.from(text.trim(), 'hex'))
  if (seed.length !== SEED_LENGTH)
    throw new Error(`The identity in ${path} is damaged. Restore the file from a backup, or move it away to begin with a new identity.`)
  return seed
}

/** After this returns the file is whole on disk; a crash before leaves no file at all. */
async function writeDurably(path: string, text: string): Promise<void> {
  const temporaryPath = `${path}.new`
  const file = await open(temporaryPath, 'w', 0o600)
  try {
    await file.writeFile(`${text}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporaryPath, path)
}
