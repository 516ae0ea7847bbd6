import fc from 'fast-check'
import { expect, test } from 'vitest'
import { thumbnailGeometry } from './thumbnail-geometry.ts'

test.each([
  [{ width: 1000, height: 500 }, { width: 320, height: 240, method: 'scale' }, [320, 160]],
  [{ width: 100, height: 50 }, { width: 320, height: 240, method: 'scale' }, [100, 50]],
  [{ width: 1000, height: 500 }, { width: 96, height: 96, method: 'crop' }, [96, 96]],
  [{ width: 50, height: 500 }, { width: 96, height: 96, method: 'crop' }, [50, 96]],
  [{ width: 10_000, height: 1 }, { width: 32, height: 32, method: 'scale' }, [32, 1]],
] as const)('%j for %j is %j', (picture, order, size) => {
  const { width, height } = thumbnailGeometry(picture, order)
  expect([width, height]).toEqual(size)
})

test('a thumbnail is within its bounds, never enlarged, and shows a part of the picture in its middle', () => {
  const side = fc.integer({ min: 1, max: 20_000 })
  const sides = fc.record({ width: side, height: side })
  fc.assert(
    fc.property(sides, sides, fc.constantFrom('crop', 'scale'), (picture, bounds, method) => {
      const { left, top, sourceWidth, sourceHeight, width, height } = thumbnailGeometry(picture, { ...bounds, method })
      expect(width).toBeLessThanOrEqual(Math.min(bounds.width, picture.width))
      expect(height).toBeLessThanOrEqual(Math.min(bounds.height, picture.height))
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(1)
      expect(left * 2 + sourceWidth).toBeCloseTo(picture.width)
      expect(top * 2 + sourceHeight).toBeCloseTo(picture.height)
      const fills = picture.width >= bounds.width && picture.height >= bounds.height
      expect(method === 'scale' || !fills || (width === bounds.width && height === bounds.height)).toBe(true)
    }),
  )
})
