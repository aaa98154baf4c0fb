import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Point } from '@/api/privacy'

import { arrowOf, LEAST_POINTS, moved, nearestEdge, rectangle, split, withoutPoint, withPoint } from './shapes'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const point = fc.tuple(share, share) as fc.Arbitrary<Point>
const shape = fc.array(point, { minLength: 3, maxLength: 32 })
const by = fc.double({ min: -2, max: 2, noNaN: true })
const inside = (points: readonly Point[]): boolean =>
  points.every(([x, y]) => x >= -1e-9 && x <= 1 + 1e-9 && y >= -1e-9 && y <= 1 + 1e-9)

describe('a shape that is drawn', () => {
  it('stays in the picture however it is moved, and keeps its shape', () => {
    fc.assert(
      fc.property(shape, by, by, (points, dx, dy) => {
        const result = moved(points, dx, dy)
        const first = points[0]!
        const shift = [result[0]![0] - first[0], result[0]![1] - first[1]] as const
        return (
          inside(result) &&
          result.every((p, i) => Math.abs(p[0] - points[i]![0] - shift[0]) < 1e-9 && Math.abs(p[1] - points[i]![1] - shift[1]) < 1e-9)
        )
      }),
    )
  })

  it('has its corners in the picture wherever they are dragged', () => {
    fc.assert(fc.property(shape, fc.tuple(by, by) as fc.Arbitrary<Point>, (points, to) => inside(withPoint(points, 1, to))))
  })

  it('is a rectangle in either direction, and nothing at all where it is only a click', () => {
    expect(rectangle([0.6, 0.8], [0.2, 0.4])).toEqual(rectangle([0.2, 0.4], [0.6, 0.8]))
    expect(rectangle([0.5, 0.5], [0.501, 0.501])).toBeNull()
  })

  it('gains a corner in the middle of an edge, and never has too few', () => {
    const triangle: Point[] = [[0, 0], [1, 0], [0, 1]]
    expect(split(triangle, 1)).toEqual([[0, 0], [1, 0], [0.5, 0.5], [0, 1]])
    expect(withoutPoint(split(triangle, 1), 2)).toEqual(triangle)
    expect(withoutPoint(triangle, 0)).toHaveLength(LEAST_POINTS)
  })
})

/** Above zero where `to` lies at the right of who walks from `a` to `b`: y grows downwards. */
const side = (a: Point, b: Point, to: Point, aspect: number): number =>
  (b[0] - a[0]) * aspect * (to[1] - a[1]) - (b[1] - a[1]) * (to[0] - a[0]) * aspect

it('an arrow points to the side that is meant, whatever the line and the picture', () => {
  fc.assert(
    fc.property(point, point, fc.double({ min: 0.3, max: 3, noNaN: true }), (a, b, aspect) => {
      fc.pre(Math.hypot(a[0] - b[0], a[1] - b[1]) > 0.02)
      expect(side(a, b, arrowOf([a, b], 'forward', aspect)[2]!, aspect)).toBeGreaterThan(0)
      expect(side(a, b, arrowOf([a, b], 'backward', aspect)[2]!, aspect)).toBeLessThan(0)
    }),
  )
})

it('the nearest edge of a rectangle is the one that was clicked', () => {
  const edges = rectangle([0.2, 0.2], [0.8, 0.6])!
  const clicks: Point[] = [[0.5, 0.19], [0.81, 0.4], [0.5, 0.62], [0.18, 0.4]]
  expect(clicks.map((click) => nearestEdge(edges, click))).toEqual([0, 1, 2, 3])
})
