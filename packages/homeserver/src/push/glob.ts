interface GlobOptions {
  /** Match a run of whole words anywhere in the text instead of the whole text. */
  readonly words?: boolean
  /** `*` and `?` stand for others; otherwise for themselves. */
  readonly wildcards?: boolean
}

/**
 * Case-insensitive globs, in time linear in pattern times text: patterns come from clients and texts from anyone, so a regular
 * expression that can backtrack is out of question.
 */
export function globMatches(pattern: string, text: string, options: GlobOptions = {}): boolean {
  if (options.wildcards === false || !/[*?]/.test(pattern))
    return literalMatches(pattern.toLowerCase(), text.toLowerCase(), options.words === true)
  const wanted = [...pattern.toLowerCase()]
  const characters = [...text.toLowerCase()]
  if (options.words !== true) return reach(wanted, characters, (index) => index === 0).at(-1) === true
  const starts = (index: number): boolean => index === 0 || !isWord(characters[index - 1])
  const ends = reach(wanted, characters, starts)
  return ends.some((reached, index) => reached && (index === characters.length || !isWord(characters[index])))
}

/** For each index of the text: whether the whole pattern can end there, having begun at an allowed start. */
function reach(pattern: readonly string[], text: readonly string[], starts: (index: number) => boolean): boolean[] {
  let reached = Array.from({ length: text.length + 1 }, (_, index) => starts(index))
  for (const wanted of pattern) {
    const next = Array.from({ length: text.length + 1 }, () => false)
    for (let index = 0; index <= text.length; index++) {
      if (wanted === '*') next[index] = reached[index] === true || (index > 0 && next[index - 1] === true)
      else if (index > 0) next[index] = reached[index - 1] === true && (wanted === '?' || wanted === text[index - 1])
    }
    reached = next
  }
  return reached
}

function literalMatches(pattern: string, text: string, words: boolean): boolean {
  if (!words) return pattern === text
  for (let index = text.indexOf(pattern); index !== -1; index = text.indexOf(pattern, index + 1)) {
    const before = [...text.slice(Math.max(0, index - 2), index)].at(-1)
    const [after] = text.slice(index + pattern.length, index + pattern.length + 2)
    if (!isWord(before) && !isWord(after)) return true
  }
  return false
}

/** By the letter of the specification: whoever writes without these letters is found by a pattern anywhere in the text. */
function isWord(character: string | undefined): boolean {
  return character !== undefined && /^[A-Za-z0-9_]$/.test(character)
}
