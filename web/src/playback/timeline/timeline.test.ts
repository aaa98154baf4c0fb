import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bars, bookmarkNear, gapBars } from './marks'
import { grid, STEPS_US, tickLabel } from './ticks'
import { around, DAY_US, following, NARROWEST_US, pinched, SECOND_US, span, timeAt, WIDEST_US, withinReach, xOf, zoomAbout } from './view'

const NOON = Date.UTC(2026, 10, 21, 4) * 1000 // 12:00 in China
const CHINA = 480
const spans_us = fc.integer({ min: NARROWEST_US, max: WIDEST_US })
const view = fc.tuple(fc.integer({ min: NOON - DAY_US, max: NOON + DAY_US }), spans_us).map(([us, s]) => around(us, s))

describe('the view', () => {
  it('maps places to instants and back', () => {
    fc.assert(
      fc.property(view, fc.integer({ min: 0, max: 1000 }), (v, x) => {
        expect(xOf(v, timeAt(v, x, 1000), 1000)).toBeCloseTo(x, 3)
      }),
    )
  })

  it('zooms about the cursor, from a month to a second and no further', () => {
    fc.assert(
      fc.property(view, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.001, max: 1000, noNaN: true }), (v, place, factor) => {
        const us = v.start_us + span(v) * place
        const zoomed = zoomAbout(v, us, factor)
        expect(span(zoomed)).toBeGreaterThanOrEqual(NARROWEST_US)
        expect(span(zoomed)).toBeLessThanOrEqual(WIDEST_US)
        expect(Math.abs((us - zoomed.start_us) / span(zoomed) - place)).toBeLessThan(1e-5)
      }),
    )
  })

  it('never shows more than a little of the future', () => {
    fc.assert(
      fc.property(view, (v) => {
        const bounded = withinReach(v, NOON)
        expect(bounded.end_us - NOON).toBeLessThanOrEqual(span(v) * 0.15 + 2)
        expect(span(bounded)).toBe(span(v))
      }),
    )
  })

  it('turns the page when the playhead leaves, and not before', () => {
    const v = around(NOON, 100 * SECOND_US)
    expect(following(v, NOON)).toBe(v)
    const turned = following(v, v.end_us)
    expect(xOf(turned, v.end_us, 100)).toBeCloseTo(10)
    const back = following(v, v.start_us - 1)
    expect(xOf(back, v.start_us - 1, 100)).toBeCloseTo(90)
    expect(following(v, NOON + DAY_US)).toEqual(around(NOON + DAY_US, 100 * SECOND_US))
  })

  it('keeps what two fingers hold under them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 20, max: 500 }), (x, apart) => {
        const at: [number, number] = [NOON, NOON + 3600 * SECOND_US]
        const v = pinched(at, [x, x + apart], 1000)!
        expect(xOf(v, at[0], 1000)).toBeCloseTo(x, 2)
        expect(xOf(v, at[1], 1000)).toBeCloseTo(x + apart, 2)
      }),
    )
  })
})

describe('the grid', () => {
  it('is aligned to local time, with room for its labels, at every zoom', () => {
    fc.assert(
      fc.property(view, fc.constantFrom(-330, 0, 480, 345), (v, offset) => {
        const { step_us, ticks } = grid(v, 0.1, offset)
        expect(STEPS_US).toContain(step_us)
        expect(ticks.length).toBeLessThanOrEqual(11)
        for (const tick of ticks) {
          expect((tick.us + offset * 60e6) % step_us).toBe(0)
          expect(tick.us).toBeGreaterThanOrEqual(v.start_us)
          expect(tick.us).toBeLessThanOrEqual(v.end_us)
        }
      }),
    )
  })

  it('labels a day in China by its hours, and midnight by its date', () => {
    const day = around(NOON, DAY_US)
    const { step_us, ticks } = grid(day, 0.1, CHINA)
    expect(ticks.map((tick) => tickLabel(tick, step_us, CHINA))).toEqual([
      '11-21', '03:00', '06:00', '09:00', '12:00', '15:00', '18:00', '21:00', '11-22',
    ])
  })

  it('labels a second by its fractions', () => {
    const { step_us, ticks } = grid(around(NOON, SECOND_US, 0), 0.15, CHINA)
    expect(ticks.map((tick) => tickLabel(tick, step_us, CHINA)).slice(0, 3)).toEqual(['00:00.0', '00:00.2', '00:00.4'])
  })

  it('has a different label for each line, up to a day', () => {
    const upToADay = fc.integer({ min: NARROWEST_US, max: DAY_US - 1 }).map((s) => around(NOON, s))
    fc.assert(
      fc.property(upToADay, (v) => {
        const { step_us, ticks } = grid(v, 0.1, CHINA)
        const labels = ticks.map((tick) => tickLabel(tick, step_us, CHINA))
        expect(new Set(labels).size).toBe(labels.length)
      }),
    )
  })
})

describe('what is drawn', () => {
  const v = { start_us: 0, end_us: 1000 * SECOND_US }
  const piece = fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 40 }))
  const sorted = fc.array(piece, { maxLength: 60 }).map((list) => {
    let at = 0
    return list.map(([hole, length]) => {
      const start_us = at + hole * 10_000
      at = start_us + length * SECOND_US
      return { start_us, end_us: at }
    })
  })

  it('is at most one bar for each pixel, and covers every recorded second', () => {
    fc.assert(
      fc.property(sorted, (list) => {
        const width = 100
        const drawn = bars(list, v, width)
        expect(drawn.length).toBeLessThanOrEqual(width)
        for (const { start_us, end_us } of list) {
          const middle = Math.min((start_us + end_us) / 2, v.end_us - 1)
          if (start_us >= v.end_us) continue
          const x = xOf(v, middle, width)
          expect(drawn.some((bar) => bar.x - 0.01 <= x && x <= bar.x + bar.width + 0.01)).toBe(true)
        }
      }),
    )
  })

  it('shows even the shortest gap, with its cause', () => {
    const gaps = [
      { start_us: 500 * SECOND_US, end_us: 501 * SECOND_US, cause: 'disk_slow' },
      { start_us: 501 * SECOND_US, end_us: 502 * SECOND_US, cause: 'camera_offline' },
    ]
    const drawn = gapBars(gaps, v, 100)
    expect(drawn.map((bar) => bar.gap.cause)).toEqual(['disk_slow', 'camera_offline'])
    expect(drawn.every((bar) => bar.width >= 2)).toBe(true)
  })

  it('finds the bookmark under the pointer', () => {
    const bookmark = { id: 'a', camera_id: 'c', at_us: 500 * SECOND_US, end_us: null, note: '', author: '', created_us: 0 }
    expect(bookmarkNear([bookmark], v, 100, 53, 6)).toBe(bookmark)
    expect(bookmarkNear([bookmark], v, 100, 60, 6)).toBeNull()
  })
})
