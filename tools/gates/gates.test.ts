import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gateCommands } from '../gate-commands.ts'
import { PlantedTree, type GateRun } from './planted-tree.ts'
import { violations } from './violations.ts'

/** One line for each finding, so that a finding can be matched with its file. */
const oneLineEach: Partial<Record<string, readonly string[]>> = { lint: ['--format=unix'], unused: ['--reporter=compact'] }

const tree = new PlantedTree()
afterAll(() => tree[Symbol.dispose]())

for (const gate of Object.keys(gateCommands) as (keyof typeof gateCommands)[]) {
  describe(gate, () => {
    const command = [...gateCommands[gate], ...(oneLineEach[gate] ?? [])]
    let clean: GateRun
    let planted: GateRun

    beforeAll(() => {
      clean = tree.run(command)
      // All at once: a gate takes about as long for twenty violations as for one.
      planted = tree.run(command, Object.assign({}, ...violations[gate].map(({ files }) => files)))
    })

    test('passes on the tree as it is', () => {
      expect(clean.passed, clean.output).toBe(true)
    })

    test('fails when violations are planted', () => {
      expect(planted.passed).toBe(false)
    })

    test.each(violations[gate])('catches $what', ({ files, names, says }) => {
      const subject = names ?? Object.keys(files)[0] ?? ''
      const isFinding = (line: string): boolean => line.includes(subject) && says.test(line)
      expect(clean.output.split('\n').filter(isFinding)).toEqual([])
      expect(planted.output.split('\n').filter(isFinding)).not.toEqual([])
    })
  })
}
