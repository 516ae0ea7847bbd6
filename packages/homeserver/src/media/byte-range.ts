/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * What a `Range` header asks of a file of that size. Undefined: the whole file. Several ranges at once, and what is malformed, are
 * answered with the whole file, as anybody may. `unsatisfiable`: nothing of the file lies there.
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-range
 */
export function byteRangeOf(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const parsed = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '')
  if (parsed === null) return undefined
  const [, first = '', last = ''] = parsed
  if (first === '') {
    if (last === '') return undefined
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  return start >= size ? 'unsatisfiable' : { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}
