/** One line of the table. */
export interface Measurement {
  readonly what: string
  readonly result: string
  /** What the same machine could do at best, measured in the same run; empty where there is no such limit. */
  readonly limit: string
}

export interface Bench {
  readonly name: string
  readonly run: () => Promise<readonly Measurement[]>
}

export function perSecond(count: number, unit: string): string {
  return `${Math.round(count).toLocaleString('en')} ${unit}/s`
}

export function milliseconds(duration: number): string {
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration).toLocaleString('en')} ms`
}

/** The value below which this share of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function p50AndP99(samples: readonly number[]): string {
  return `p50 ${milliseconds(percentile(samples, 0.5))}, p99 ${milliseconds(percentile(samples, 0.99))} (${samples.length} samples)`
}

export function markdownTable(rows: readonly (Measurement & { readonly bench: string })[]): string {
  const lines = rows.map(({ bench, what, result, limit }) => `| ${bench} | ${what} | ${result} | ${limit} |`)
  return ['| bench | measured | result | limit in the same run |', '| --- | --- | --- | --- |', ...lines].join('\n')
}
