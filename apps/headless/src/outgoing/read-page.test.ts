import { describe, expect, test } from 'vitest'
import { readPage } from './read-page.ts'

const read = (html: string, contentType = 'text/html'): Record<string, string> => readPage(new TextEncoder().encode(html), contentType)

describe('hostile pages', () => {
  test('have no paragraph of spaces, however long and however many follow', () => {
    const spaces = ' '.repeat(200_000)
    expect(read(`<p>${spaces}</p><p>${spaces} First</p>`)).toEqual({ 'og:description': 'First' })
    expect(read(`<p>${spaces}${'<p>'.repeat(80_000)}`)).toEqual({})
  })

  test('are read as far as a few thousand tags', () => {
    const after = (tags: number): Record<string, string> => read(`${'<b></b>'.repeat(tags)}<title>t</title>`)
    expect(after(4_000)).toEqual({ 'og:title': 't' })
    expect(after(6_000)).toEqual({})
  })

  test('are read as far as tags do not lie too deep in each other', () => {
    const below = (depth: number): Record<string, string> => read(`${'<b>'.repeat(depth)}${'</i>'.repeat(2_000)}<title>t</title>`)
    expect(below(100)).toEqual({ 'og:title': 't' })
    expect(below(1_000)).toEqual({})
    expect(read('<a>'.repeat(170_000))).toEqual({})
  })

  test('say their encoding at the beginning of the header', () => {
    const page = (contentType: string): string | undefined =>
      readPage(Uint8Array.from([...new TextEncoder().encode('<title>'), 0xe9]), contentType)['og:title']
    expect(page('text/html; charset=iso-8859-1')).toBe('\u00E9')
    expect(page(`text/html; charset=${' '.repeat(16_000)}iso-8859-1`)).toBe('\uFFFD')
  })
})

test('texts, tags and characters may be in two pieces', () => {
  for (let length = 1_000; length < 1_050; length++) {
    const html = `<!--${'x'.repeat(length)}--><title>A &amp; B</title><p>First words</p>`
    expect(read(html)).toEqual({ 'og:title': 'A & B', 'og:description': 'First words' })
  }
})
