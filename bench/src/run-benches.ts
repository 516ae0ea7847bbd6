/** `npm run bench [-- NAME…]`: runs all benchmarks, or the named ones, and prints one table. */
import { cpus } from 'node:os'
import { type Bench, markdownTable, type Measurement } from './bench.ts'
import { browserStartBench } from './browser-start-bench.ts'
import { bundleBench } from './bundle-bench.ts'
import { clientsBench } from './clients-bench.ts'
import { deliveryBench } from './delivery-bench.ts'
import { eventCostBench } from './event-cost-bench.ts'
import { joinBench } from './join-bench.ts'
import { nodeBench } from './node-bench.ts'
import { stateResolutionBench } from './state-resolution-bench.ts'
import { syncBench } from './sync-bench.ts'
import { workerBench } from './worker-bench.ts'

const benches: readonly Bench[] = [
  stateResolutionBench,
  nodeBench,
  workerBench,
  eventCostBench,
  syncBench,
  clientsBench,
  joinBench,
  deliveryBench,
  browserStartBench,
  bundleBench,
]

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !benches.some((bench) => bench.name === name))
if (unknown.length > 0) {
  console.error(`no benchmark is called ${unknown.join(', ')}; there are: ${benches.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

const rows: (Measurement & { readonly bench: string })[] = []
for (const { name, run } of benches.filter((bench) => chosen.length === 0 || chosen.includes(bench.name))) {
  console.error(`${name}…`)
  try {
    for (const measurement of await run()) rows.push({ bench: name, ...measurement })
  } catch (error) {
    console.error(error)
    rows.push({
      bench: name,
      what: 'failed',
      result: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
      limit: '',
    })
    process.exitCode = 1
  }
}
console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${process.platform}\n`)
console.log(markdownTable(rows))
