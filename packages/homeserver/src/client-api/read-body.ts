import { MatrixError } from '../matrix-error.ts'
import { limits } from '../limits.ts'

/**
 * The JSON of a request; `{}` for an empty body.
 * @throws MatrixError M_TOO_LARGE, M_NOT_JSON, M_BAD_JSON
 */
export async function readJsonBody(request: Request, bytesMax: number): Promise<unknown> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const text = await readText(request.body, bytesMax)
  if (text.trim() === '') return {}
  if (isTooDeep(text)) throw new MatrixError(400, 'M_BAD_JSON', 'The JSON is nested too deeply')
  const value = parse(text)
  if (mayOverflow.test(text) && !isFinite(value)) throw new MatrixError(400, 'M_BAD_JSON', 'The JSON has a number that is too large')
  return value
}

/** Where this finds nothing, no number is so large that JavaScript reads infinity, which is neither JSON nor anything that can be stored. */
const mayOverflow = /[eE]\+?\d{3}|\d{200}/

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MatrixError(400, 'M_NOT_JSON', 'The body is not JSON')
  }
}

function isFinite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isFinite)
}

/** @throws MatrixError M_TOO_LARGE, M_NOT_JSON */
export async function readText(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<string> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > bytesMax) {
      await reader.cancel()
      throw tooLarge(bytesMax)
    }
    chunks.push(value)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(join(chunks, size))
  } catch {
    throw new MatrixError(400, 'M_NOT_JSON', 'The body is not UTF-8')
  }
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

function tooLarge(bytesMax: number): MatrixError {
  return new MatrixError(413, 'M_TOO_LARGE', `The body is larger than ${bytesMax} bytes`)
}

/** Recursive walks over what was parsed would exhaust the stack. */
function isTooDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (inString) {
      if (character === '\\') index++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    if (depth > limits.implementation.jsonDepthMax) return true
  }
  return false
}
