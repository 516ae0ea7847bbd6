/** How long to wait after so many failures in a row, ms: twice as long after each, up to a bound. */
export function growingWaitMs(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** failures)
}
