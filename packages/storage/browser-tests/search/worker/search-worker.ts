import { searchCases } from '@kith/testkit/search-cases'
import { openWasmSearchIndex } from '@kith/storage/wasm-search-index'
import fc from 'fast-check'
import type { GivenCase } from '../search-page.ts'

addEventListener('message', ({ data }: MessageEvent<GivenCase>) => {
  run(data).then(
    () => postMessage('ok'),
    (error: unknown) => postMessage(error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error)),
  )
})

async function run({ name, seed }: GivenCase): Promise<void> {
  fc.configureGlobal({ seed })
  if (name === 'damage') return damage()
  const found = searchCases.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error('no such case')
  await found.run(async (place) => openWasmSearchIndex(`suite-${place}`), `${searchCases.indexOf(found)}`)
}

/** Overwrites the file of a closed index, and opens it again. */
async function damage(): Promise<void> {
  const place = 'suite-damage'
  {
    await using index = openWasmSearchIndex(place)
    await index.apply({ put: [], remove: [], upTo: 5 })
  }
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle(place)
  const files = await directory.getDirectoryHandle('.opaque')
  for await (const file of files.values()) {
    if (!(file instanceof FileSystemFileHandle)) continue
    const access = await file.createSyncAccessHandle()
    // Behind the header of the pool, which names the file.
    if (access.getSize() > 4096) access.write(new Uint8Array(8192).fill(7), { at: 4096 })
    access.close()
  }
  await using again = openWasmSearchIndex(place)
  const position = await again.position()
  if (position !== 0) throw new Error(`the damaged index is at ${position}`)
  await again.apply({ put: [], remove: [], upTo: 6 })
}
