// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest'

import type { Hit, SearchLine } from './api'
import { byCamera, coveredOfFootage, coveredShare, Gathered, noResults, takeUp } from './results'

const hit = (id: string): Hit => ({ id }) as Hit
const line = (id: string): SearchLine => ({ type: 'hit', hit: hit(id) })

describe('an answer that comes line by line', () => {
  it('is shown as it comes, best first, and is whole only after its last line', () => {
    let results = takeUp(noResults(), [{ type: 'search', look: 'look_1', total_cameras: 4 }, line('9'), line('3')])
    expect(results).toMatchObject({ look: 'look_1', totalCameras: 4, whole: false })
    results = takeUp(results, [line('5'), { type: 'end', next_cursor: 'c' }])
    expect(results.items.map((one) => one.hit.id)).toEqual(['9', '3', '5'])
    expect(results).toMatchObject({ whole: true, nextCursor: 'c' })
  })

  it('tells nothing twice', () => {
    const results = takeUp(takeUp(noResults(), [line('1'), line('1')]), [line('1'), line('2')])
    expect(results.items.map((one) => one.hit.id)).toEqual(['1', '2'])
  })

  it('that broke off says so', () => {
    const results = takeUp(noResults(), [line('1'), { type: 'error', code: 'unavailable', message: 'the index is away' }])
    expect(results).toMatchObject({ whole: false, fault: { code: 'unavailable' } })
  })

  it('may hold lines that a newer gateway has', () => {
    const results = takeUp(noResults(), [{ type: 'weather' } as unknown as SearchLine, line('1')])
    expect(results.items).toHaveLength(1)
  })

  it('leaves what it has not changed as it was', () => {
    const before = takeUp(noResults(), [line('1')])
    expect(takeUp(before, [{ type: 'end', next_cursor: null }]).items).toBe(before.items)
  })
})

it('gathers a burst of lines, and drops what nobody waits for', () => {
  vi.useFakeTimers()
  const given: number[][] = []
  const gathered = new Gathered<number>((lines) => given.push(lines))
  gathered.add(1)
  gathered.add(2)
  expect(given).toEqual([])
  vi.runAllTimers()
  gathered.add(3)
  gathered.flush()
  gathered.add(4)
  gathered.drop()
  vi.runAllTimers()
  expect(given).toEqual([[1, 2], [3]])
  vi.useRealTimers()
})

describe('coverage', () => {
  const coverage = {
    items: [
      { camera_id: 'a', camera_name: 'A', start_us: 0, end_us: 10, why: 'lagging' },
      { camera_id: 'b', camera_name: 'B', start_us: 0, end_us: 50, why: 'no_footage' },
      { camera_id: 'a', camera_name: 'A', start_us: 20, end_us: 30, why: 'dropped' },
    ],
    left_out: 0,
    seconds_asked: 100,
    seconds_indexed: 30,
  }

  it('is told by camera, the worst first', () => {
    expect(byCamera(coverage).map(({ camera_id, length_us, stretches }) => [camera_id, length_us, stretches.length])).toEqual([['b', 50, 1], ['a', 20, 2]])
  })

  it('tells what was not looked at from what was never recorded', () => {
    const second = 1_000_000
    const items = [
      { camera_id: 'a', camera_name: 'A', start_us: 0, end_us: 60 * second, why: 'no_footage' },
      { camera_id: 'a', camera_name: 'A', start_us: 60 * second, end_us: 70 * second, why: 'lagging' },
    ]
    expect(coveredOfFootage({ items, left_out: 0, seconds_asked: 100, seconds_indexed: 30 })).toBeCloseTo(0.75)
    expect(coveredOfFootage({ items, left_out: 3, seconds_asked: 100, seconds_indexed: 30 })).toBeNull()
  })

  it('is a share of what was asked for', () => {
    expect(coveredShare(coverage)).toBeCloseTo(0.3)
    expect(coveredShare({ ...coverage, seconds_asked: 0 })).toBeNull()
  })
})
