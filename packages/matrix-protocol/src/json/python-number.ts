/**
 * A number that canonical JSON does not know, in the form in which it was hashed. Only events of the first room versions have such
 * numbers, and the servers that made those events wrote them as Python does: the shortest digits that read back as the same double,
 * with an exponent of two digits below 0.0001. Undefined for what JSON cannot write.
 *
 * What the parser of JSON took away is gone: `1.0` is 1 here, and an integer beyond 2^53 may have lost its last digits. The hash of such
 * an event is not found again; it then counts only in its redacted form, or not at all, like any event whose hashes do not match.
 * @see https://spec.matrix.org/latest/appendices/#canonical-json
 */
export function pythonNumber(value: number): string | undefined {
  if (!Number.isFinite(value)) return undefined
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  // Doubles from 2^53 on are integers, and Python writes integers without exponent.
  if (Number.isInteger(value)) return magnitude < 2 ** 53 ? String(value) : BigInt(value).toString()
  if (magnitude >= 0.0001) return String(value)
  const [digits, exponent] = value.toExponential().split('e-') as [string, string]
  return `${digits}e-${exponent.padStart(2, '0')}`
}
