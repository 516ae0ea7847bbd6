import { limits } from '../limits.ts'

/** Scripts written without spaces: there each character counts as a word, so that a part of a sentence is found in it. */
const UNSPACED =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}'
const WORD = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}])+`, 'gu')
/** Accents of alphabetic scripts; the vowel signs of others are letters to their readers. */
const ACCENTS = /[\u0300-\u036f]/g

/** The words of a text as they are indexed and looked for: without case, accents and punctuation. A bounded number of them. */
export function wordsOf(text: string): string[] {
  const { searchTextCharactersMax, searchWordsMax, searchWordCharactersMax } = limits.implementation
  const normal = text.slice(0, searchTextCharactersMax).normalize('NFKD').replaceAll(ACCENTS, '').normalize('NFKC').toLowerCase()
  return [...normal.matchAll(WORD)].slice(0, searchWordsMax).map(([word]) => word.slice(0, searchWordCharactersMax))
}
