import { searchCases } from '@kith/testkit/search-cases'
import { openWasmSearchIndex } from '@kith/storage/wasm-search-index'

addEventListener('message', ({ data }: MessageEvent<string>) => {
  run(data).then(
    () => postMessage('ok'),
    (error: unknown) => postMessage(error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error)),
  )
})

async function run(name: string): Promise<void> {
  const found = searchCases.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error('no such case')
  await found.run(async (place) => openWasmSearchIndex(`suite-${place}`), `${searchCases.indexOf(found)}`)
}
