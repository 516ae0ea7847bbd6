import { existsSync } from 'node:fs'

/** Vitest global setup: the vectors are not part of this repository. */
export function setup(): void {
  for (const folder of ['../shared/matrix-spec', '../shared/state-res-vectors']) {
    if (!existsSync(folder)) throw new Error(`${folder} is missing; the conformance suite needs the Matrix data beside the tree`)
  }
}
