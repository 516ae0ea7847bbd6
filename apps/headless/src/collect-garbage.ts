import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives back what the start needed and nothing needs any more. V8 collects when a process allocates, which a node that rests hardly does:
 * it would keep a tenth of its memory for days.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void
  collect({ type: 'major', flavor: 'last-resort' })
}
