const repeatablePosts: readonly RegExp[] = [
  // Reads in the clothes of a POST.
  /\/sync$/,
  /\/keys\/query$/,
  /\/user_directory\/search$/,
  /\/search$/,
  // Stating the same again changes nothing.
  /\/keys\/upload$/,
  /\/keys\/signatures\/upload$/,
  /\/keys\/device_signing\/upload$/,
  /\/rooms\/[^/]+\/(?:join|receipt\/[^/]+\/[^/]+|read_markers)$/,
  /\/join\/[^/]+$/,
  // Costs a one-time key at most; a failed claim costs messages.
  /\/keys\/claim$/,
]

/** Whether a request may be sent again when it is unknown if it was processed. PUTs of Matrix carry their transaction id in the path. */
export function isRepeatable(method: string, url: string): boolean {
  if (method !== 'POST') return true
  const { pathname } = new URL(url)
  return repeatablePosts.some((pattern) => pattern.test(pathname))
}
