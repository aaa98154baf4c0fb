import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Interval } from '@/api/types'

import { cellKeyframe, cellOf, evictions, limitsFor, nextBatch, stripMediaTime } from './buffer_policy'
import { answer, run, S } from './footage.fixture'
import { FragmentIndex } from './fragment_index'
import { merge } from './intervals'

function indexOf(...stretches: Parameters<typeof answer>[0]): FragmentIndex {
  const index = new FragmentIndex()
  index.add(answer(stretches), { start_us: 0, end_us: 3600 * S })
  return index
}
const steady = (count: number, keyframes?: boolean[]) =>
  indexOf({ run: run('a'), start_us: 0, durations_us: Array<number>(count).fill(2 * S), keyframes })
const view = (playhead_us: number, buffered: Interval[] = [], rate = 1) => ({ playhead_us, rate, buffered })

describe('what to fetch next', () => {
  it('is, after a seek, the one fragment that is looked at', () => {
    const batch = nextBatch(steady(30), view(21 * S), limitsFor(1))
    expect(batch.map((f) => f.number)).toEqual([10])
  })

  it('begins at the keyframe of a long group of pictures', () => {
    const keyframes = [true, false, false, true]
    const batch = nextBatch(steady(4, keyframes), view(5 * S), limitsFor(1))
    expect(batch.map((f) => f.number)).toEqual([0, 1, 2])
  })

  it('goes on in batches within one segment', () => {
    const index = indexOf(
      { run: run('a'), start_us: 0, durations_us: [2 * S, 2 * S] },
      { run: run('b'), start_us: 4 * S, durations_us: [2 * S, 2 * S] },
    )
    const batch = nextBatch(index, view(0, [{ start_us: 0, end_us: 2 * S }]), limitsFor(1))
    expect(batch.map((f) => [f.segment_id, f.number])).toEqual([['a-0', 1]])
  })

  it('is nothing once enough is ahead', () => {
    const held = [{ start_us: 0, end_us: 40 * S }]
    expect(nextBatch(steady(30), view(0, held), limitsFor(1))).toEqual([])
  })

  it('reaches further at a faster rate', () => {
    const held = [{ start_us: 0, end_us: 40 * S }]
    expect(nextBatch(steady(60), view(0, held, 4), limitsFor(1)).length).toBeGreaterThan(0)
  })

  it('in a gap is what comes after it', () => {
    const index = indexOf(
      { run: run('a'), start_us: 0, durations_us: [2 * S] },
      { run: run('b'), start_us: 8 * S, durations_us: [2 * S] },
    )
    expect(nextBatch(index, view(5 * S), limitsFor(1))[0].run.run_id).toBe('b')
  })

  it('fetches everything in the end, nothing twice, and never holds more than the bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(0.25, 1, 2, 4),
        fc.integer({ min: 0, max: 59 }),
        (cameras, rate, from) => {
          const index = steady(60)
          const limits = limitsFor(cameras)
          const seen = new Set<number>()
          let buffered: Interval[] = []
          for (let playhead = from * 2 * S; playhead < 120 * S; playhead += S) {
            for (let guard = 0; guard < 100; guard += 1) {
              const batch = nextBatch(index, view(playhead, buffered, rate), limits)
              if (batch.length === 0) break
              for (const fragment of batch) {
                expect(seen.has(fragment.number)).toBe(false)
                seen.add(fragment.number)
                buffered = merge(buffered.concat(fragment))
              }
            }
            const ahead = buffered.filter((b) => b.end_us > playhead)
            const held_s = ahead.reduce((sum, b) => sum + b.end_us - Math.max(playhead, b.start_us), 0) / S
            expect(held_s).toBeLessThanOrEqual(limits.ahead_s * Math.max(1, rate) + 2)
            expect((held_s / 2 - 1) * 500_000).toBeLessThanOrEqual(limits.ahead_bytes)
          }
          expect(seen.size).toBe(60 - from)
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('what to let go', () => {
  it('is never what is about to be shown', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.array(fc.tuple(fc.nat(1000), fc.nat(300))), (at_s, ranges) => {
        const playhead = at_s * S
        const buffered = merge(ranges.map(([s, l]) => ({ start_us: s * S, end_us: (s + l) * S })))
        const limits = limitsFor(1)
        for (const range of evictions(view(playhead, buffered), limits)) {
          const keeps = range.end_us <= playhead - limits.behind_s * S || range.start_us >= playhead + limits.ahead_s * S
          expect(keeps).toBe(true)
          expect(range.end_us).toBeGreaterThan(range.start_us)
        }
      }),
    )
  })
})

describe('a strip of keyframes', () => {
  it('runs forward in media time when play runs backwards', () => {
    const strip = { anchor_us: 100 * S, base_s: 7, rate: -8, cell_s: 0.1 }
    expect(stripMediaTime(strip, 100 * S)).toBe(7)
    expect(stripMediaTime(strip, 92 * S)).toBe(8)
    expect(cellOf(strip, 92 * S)).toBe(10)
  })

  it('shows in each cell the last keyframe by then', () => {
    const index = steady(60)
    const strip = { anchor_us: 50 * S, base_s: 0, rate: -8, cell_s: 0.25 }
    const shown = [0, 1, 2, 3].map((cell) => cellKeyframe(index, strip, cell)?.start_us)
    expect(shown).toEqual([50 * S, 48 * S, 46 * S, 44 * S])
  })

  it('has nothing to show in a hole', () => {
    const index = indexOf(
      { run: run('a'), start_us: 0, durations_us: [2 * S] },
      { run: run('b'), start_us: 20 * S, durations_us: [5 * S] },
    )
    const strip = { anchor_us: 0, base_s: 0, rate: 16, cell_s: 0.5 }
    expect([0, 1, 2, 3].map((cell) => cellKeyframe(index, strip, cell)?.run.run_id)).toEqual([
      'a', undefined, undefined, 'b',
    ])
  })
})
