import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from './base64.ts'
import { decodeUtf8, encodeUtf8, fitsUtf8 } from './utf8.ts'

describe('unpadded base64', () => {
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('the published vector for "%s"', (text, encoded) => {
    expect(encodeBase64(encodeUtf8(text))).toBe(encoded)
    expect(decodeBase64(encoded)).toEqual(encodeUtf8(text))
  })

  test('is read with padding too', () => expect(decodeBase64('Zg==')).toEqual(encodeUtf8('f')))

  test('of another alphabet is refused', () => {
    expect(decodeBase64('-_')).toBeUndefined()
    expect(decodeBase64Url('+/')).toBeUndefined()
    expect(decodeBase64('a')).toBeUndefined()
  })

  test('gives any bytes back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(encodeBase64(bytes))).toEqual(new Uint8Array(bytes))
        expect(decodeBase64Url(encodeBase64Url(bytes))).toEqual(new Uint8Array(bytes))
      }),
    )
  })
})

describe('UTF-8', () => {
  test('what is none is not decoded', () => {
    expect(decodeUtf8(Uint8Array.of(0xff))).toBeUndefined()
    expect(decodeUtf8(encodeUtf8('\ufeffé'))).toBe('\ufeffé')
  })

  test('sizes are counted in bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(30), (text, bytesMax) => {
        expect(fitsUtf8(text, bytesMax)).toBe(encodeUtf8(text).length <= bytesMax)
      }),
    )
  })
})
