import type { Run } from './play.ts'
import type { Scenario } from './scenario.ts'

/**
 * A scenario with fewer steps that still fails in the same way: leaves out ever smaller stretches of steps, as long as the first violation
 * names the same invariant. `playsMax` bounds the work.
 */
export async function shrink(failed: Run, play: (scenario: Scenario) => Promise<Run>, playsMax: number): Promise<Run> {
  const invariant = invariantOf(failed)
  let best = failed
  let plays = 0
  for (let size = Math.ceil(best.scenario.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.scenario.steps.length && plays < playsMax;) {
      const steps = best.scenario.steps.toSpliced(from, size)
      plays++
      const run = await play({ ...best.scenario, steps })
      if (invariantOf(run) === invariant) best = run
      else from += size
    }
  }
  return best
}

function invariantOf({ violations: [first] }: Run): string | undefined {
  return first?.split(':')[0]
}
