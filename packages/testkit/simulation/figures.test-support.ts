import { globSync, readFileSync, rmSync } from 'node:fs'

export const figuresFolder = '.tmp/simulation'

export const noFigures = { seeds: 0, steps: 0, events: 0, forks: 0, handOvers: 0, crashes: 0, messages: 0, simulatedMs: 0 }
export type SimulationFigures = Readonly<typeof noFigures>

export function addFigures(one: SimulationFigures, other: SimulationFigures): SimulationFigures {
  return {
    seeds: one.seeds + other.seeds,
    steps: one.steps + other.steps,
    events: one.events + other.events,
    forks: one.forks + other.forks,
    handOvers: one.handOvers + other.handOvers,
    crashes: one.crashes + other.crashes,
    messages: one.messages + other.messages,
    simulatedMs: one.simulatedMs + other.simulatedMs,
  }
}

/** Vitest's global set-up: afterwards, one line over all shards. */
export function setup(): () => void {
  rmSync(figuresFolder, { recursive: true, force: true })
  return () => {
    const shards = globSync(`${figuresFolder}/*.json`).map((file) => JSON.parse(readFileSync(file, 'utf8')) as SimulationFigures)
    const { seeds, steps, events, forks, handOvers, crashes, messages, simulatedMs } = shards.reduce(addFigures, noFigures)
    const days = (simulatedMs / (24 * 3_600_000)).toFixed(1)
    process.stdout.write(
      `${seeds} seeds: ${steps} steps, ${events} events sent, ${forks} times a room forked, ${handOvers} relay hand-overs, ` +
        `${crashes} crashes, ${messages} requests and answers, ${days} simulated days\n`,
    )
  }
}
