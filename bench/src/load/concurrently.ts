/** Calls `action` with 0, 1, … `count - 1`, `atOnce` at a time, and returns how long all of it took, in ms. */
export async function concurrently(count: number, atOnce: number, action: (index: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const startedAt = performance.now()
  const lane = async (): Promise<void> => {
    while (next < count) await action(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return performance.now() - startedAt
}
