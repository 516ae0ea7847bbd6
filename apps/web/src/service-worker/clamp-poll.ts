/** The same URL with a `timeout` of at most `timeoutMsMax`. */
export function clampPoll(url: string, timeoutMsMax: number): string {
  const parsed = new URL(url)
  if (!(Number(parsed.searchParams.get('timeout')) > timeoutMsMax)) return url
  parsed.searchParams.set('timeout', String(timeoutMsMax))
  return parsed.href
}
