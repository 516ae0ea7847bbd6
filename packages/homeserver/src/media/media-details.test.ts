import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contentDisposition, filenameOf, mediaDetails } from './media-details.ts'
import { isAnimated, usualThumbnail } from './thumbnails.ts'

describe('what a file says of itself', () => {
  test('is always fit for a header, and a name survives it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (contentType, filename) => {
        const details = mediaDetails(contentType, filename)
        const headers = new Headers({ 'content-type': details.contentType, 'content-disposition': contentDisposition(details) })
        expect(filenameOf(headers.get('content-disposition'))).toBe(details.filename)
      }),
    )
  })

  test.each([
    ['image/png', 'inline'],
    ['text/plain; charset=utf-8', 'inline'],
    ['IMAGE/PNG', 'inline'],
    ['image/svg+xml', 'attachment'],
    ['text/html', 'attachment'],
    ['application/javascript', 'attachment'],
    ['nonsense', 'attachment'],
    ['text/plain\r\nx-evil: 1', 'attachment'],
  ])('%s is served %s', (contentType, disposition) => {
    expect(contentDisposition(mediaDetails(contentType, undefined))).toBe(disposition)
  })

  test('names neither paths nor headers', () => {
    expect(mediaDetails('a/b', '../../etc/passwd').filename).toBe('.._.._etc_passwd')
    expect(mediaDetails('a/b', 'a\r\nb').filename).toBe('a__b')
    expect(mediaDetails('a/b', 'gpj.\u202Eexe').filename).toBe('gpj._exe')
    expect(contentDisposition(mediaDetails('a/b', 'say "hi".txt'))).toBe(String.raw`attachment; filename="say \"hi\".txt"`)
  })
})

describe('thumbnails', () => {
  test.each([
    [
      { width: 10, height: 10, method: 'scale' },
      { width: 320, height: 240, method: 'scale' },
    ],
    [
      { width: 33, height: 20, method: 'crop' },
      { width: 96, height: 96, method: 'crop' },
    ],
    [
      { width: 400, height: 400, method: 'crop' },
      { width: 640, height: 480, method: 'scale' },
    ],
    [
      { width: 9_000, height: 1, method: 'scale', animated: true },
      { width: 800, height: 600, method: 'scale', animated: true },
    ],
  ] as const)('%j is asked for as %j', (wish, usual) => {
    expect(usualThumbnail(wish)).toEqual(usual)
  })

  test('moving pictures are told from still ones', () => {
    const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
    expect(isAnimated('image/gif', bytes('GIF89a…NETSCAPE2.0'))).toBe(true)
    expect(isAnimated('image/gif', bytes('GIF89a!\u00F9\u0004\u0000,!\u00F9\u0004'))).toBe(true)
    expect(isAnimated('image/gif', bytes('GIF89a!\u00F9\u0004\u0000,'))).toBe(false)
    expect(isAnimated('image/webp', bytes('RIFF....WEBPVP8X....\u0002'))).toBe(true)
    expect(isAnimated('image/webp', bytes('RIFF....WEBPVP8X....\u0000'))).toBe(false)
    expect(isAnimated('image/png', bytes('…acTL…'))).toBe(true)
    expect(isAnimated('image/jpeg', bytes('…acTL…'))).toBe(false)
  })
})
