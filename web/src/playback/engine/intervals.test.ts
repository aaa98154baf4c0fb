import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { contains, covering, merge, subtract, upperBound } from './intervals'

const interval = fc
  .tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 60 }))
  .map(([start_us, length]) => ({ start_us, end_us: start_us + length }))
const intervals = fc.array(interval, { maxLength: 30 })
const inside = (ranges: { start_us: number; end_us: number }[], us: number) =>
  ranges.some((r) => r.start_us <= us && us < r.end_us)

describe('ranges of time', () => {
  it('merge into sorted ranges that do not touch and cover the same instants', () => {
    fc.assert(
      fc.property(intervals, (ranges) => {
        const merged = merge(ranges)
        for (let i = 1; i < merged.length; i += 1) {
          expect(merged[i].start_us).toBeGreaterThan(merged[i - 1].end_us)
        }
        for (let us = 0; us <= 560; us += 1) expect(contains(merged, us)).toBe(inside(ranges, us))
      }),
      { numRuns: 50 },
    )
  })

  it('close up over holes within the tolerance, and no others', () => {
    const ranges = [
      { start_us: 0, end_us: 10 },
      { start_us: 13, end_us: 20 },
      { start_us: 24, end_us: 30 },
    ]
    expect(merge(ranges, 3)).toEqual([
      { start_us: 0, end_us: 20 },
      { start_us: 24, end_us: 30 },
    ])
  })

  it('leave, when subtracted, exactly what they do not cover', () => {
    fc.assert(
      fc.property(interval, intervals, (range, taken) => {
        const left = subtract(range, taken)
        for (let us = 0; us <= 560; us += 1) {
          expect(contains(left, us)).toBe(inside([range], us) && !inside(taken, us))
        }
      }),
      { numRuns: 50 },
    )
  })

  it('are found by an instant', () => {
    const ranges = [{ start_us: 5, end_us: 10 }]
    expect(covering(ranges, 5)).toBe(ranges[0])
    expect(covering(ranges, 10)).toBeUndefined()
    expect(covering(ranges, 4)).toBeUndefined()
  })

  it('upperBound agrees with a linear search', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ max: 50, min: 0 })), fc.integer({ min: -1, max: 51 }), (list, value) => {
        const sorted = [...list].sort((a, b) => a - b)
        const found = upperBound(sorted.length, (i) => sorted[i], value)
        expect(found).toBe(sorted.filter((item) => item <= value).length)
      }),
    )
  })
})
