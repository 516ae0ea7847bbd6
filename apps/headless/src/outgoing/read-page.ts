import { Parser } from 'htmlparser2'
import { limits } from '../limits.ts'

/** Names of the Open Graph protocol, and what stands for them where a page has none. */
const substitutes: Readonly<Record<string, string>> = {
  'twitter:title': 'og:title',
  'twitter:description': 'og:description',
  'twitter:image': 'og:image',
  'twitter:image:src': 'og:image',
  description: 'og:description',
}

/** What a page says of itself, by the names of the Open Graph protocol. `og:image` is as it stands there. */
export function readPage(bytes: Uint8Array, contentType: string): Record<string, string> {
  const text = new TextDecoder(encodingOf(bytes, contentType)).decode(bytes)
  const said = new Map<string, string>()
  const substituted = new Map<string, string>()
  const texts = readTexts(text, (name, content) => {
    const stands = substitutes[name]
    if (stands !== undefined) setOnce(substituted, stands, content)
    else if (/^og:[\w:]{1,60}$/.test(name)) setOnce(said, name, content)
  })
  for (const [name, content] of substituted) setOnce(said, name, content)
  setOnce(said, 'og:title', texts.title === '' ? texts.heading : texts.title)
  setOnce(said, 'og:description', texts.paragraph)
  return Object.fromEntries(said)
}

interface Texts {
  readonly title: string
  readonly heading: string
  readonly paragraph: string
}

/** The first title, heading and paragraph that have any text. */
function readTexts(html: string, onMeta: (name: string, content: string) => void): Texts {
  const wanted: Readonly<Record<string, keyof Texts>> = { title: 'title', h1: 'heading', p: 'paragraph' }
  const texts = { title: '', heading: '', paragraph: '' }
  let open: keyof Texts | undefined
  let silent = 0
  let tags = 0
  let depth = 0
  const parser = new Parser({
    onopentag(name, attributes) {
      tags++
      depth++
      if (name === 'meta') onMeta((attributes['property'] ?? attributes['name'] ?? '').toLowerCase(), attributes['content'] ?? '')
      if (isSilent(name)) silent++
      const text = wanted[name]
      if (text !== undefined && texts[text] === '') open = text
    },
    ontext(piece) {
      if (open === undefined || silent > 0 || texts[open].length > limits.previewValueCharactersMax) return
      // Begins with what is no space, so that a text with nothing in it stays empty.
      texts[open] += texts[open] === '' ? piece.trimStart() : piece
    },
    onclosetag(name) {
      depth--
      if (isSilent(name)) silent--
      if (wanted[name] === open) open = undefined
    },
  })
  const isTooMuch = (): boolean => tags >= limits.previewTagsMax || depth >= limits.previewTagDepthMax
  let at = 0
  for (; at < html.length && !isTooMuch(); at += limits.previewPieceCharacters)
    parser.write(html.slice(at, at + limits.previewPieceCharacters))
  // What is cut off in the middle is left out: the parser would take half a tag for text.
  if (at >= html.length) parser.end()
  return texts
}

/** What these hold is no text to read. */
function isSilent(name: string): boolean {
  return name === 'script' || name === 'style' || name === 'noscript' || name === 'svg'
}

function setOnce(said: Map<string, string>, name: string, content: string): void {
  const value = content.toWellFormed().replaceAll(/\s+/g, ' ').trim().slice(0, limits.previewValueCharactersMax).toWellFormed()
  if (value !== '' && !said.has(name) && said.size < limits.previewPropertiesMax) said.set(name, value)
}

function encodingOf(bytes: Uint8Array, contentType: string): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, limits.previewEncodingHeadBytes))
  const named = /charset\s*=\s*["']?\s*([\w-]+)/i
  const label = named.exec(contentType.slice(0, limits.previewContentTypeCharactersMax))?.[1] ?? named.exec(head)?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(label).encoding
  } catch {
    return 'utf-8'
  }
}
