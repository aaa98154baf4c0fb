import { describe, expect, it } from 'vitest'

import type { Point } from '@/api/privacy'

import { arrowsOf } from './arrows'
import { newRule } from './draft'

const DOWNWARD: Point[] = [[0.5, 0.2], [0.5, 0.8]]
const SQUARE: Point[] = [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]
const tipOf = (points: readonly Point[]): Point => points[2]!

describe('arrows at zones', () => {
  it('point both ways where both count', () => {
    const arrows = arrowsOf({ kind: 'line', points: DOWNWARD, rules: [newRule('line_crossing', 'line')] }, 16 / 9)
    expect(arrows.map(({ meaning }) => meaning)).toEqual(['counted', 'counted'])
    // Forward is from the left of who walks down the picture to their right: to the picture's left.
    expect(tipOf(arrows[0]!.points)[0]).toBeLessThan(0.5)
    expect(tipOf(arrows[1]!.points)[0]).toBeGreaterThan(0.5)
  })

  it('point the wrong way over a line', () => {
    const [arrow] = arrowsOf({ kind: 'line', points: DOWNWARD, rules: [{ kind: 'wrong_way', way: 'backward', cool_down_s: 60 }] }, 1)
    expect(arrow!.meaning).toBe('wrong')
    expect(tipOf(arrow!.points)[0]).toBeGreaterThan(0.5)
  })

  it.each([[0, 0, -1], [90, 1, 0], [180, 0, 1], [270, -1, 0], [45, 1, -1]])('point to the heading of %i degrees in a region', (heading_deg, right, down) => {
    const [arrow] = arrowsOf({ kind: 'region', points: SQUARE, rules: [{ kind: 'wrong_way', heading_deg, cool_down_s: 60 }] }, 16 / 9)
    const [x, y] = tipOf(arrow!.points)
    expect(arrow!.meaning).toBe('right')
    expect(Math.sign(Math.round((x - 0.5) * 1000))).toBe(right)
    expect(Math.sign(Math.round((y - 0.5) * 1000))).toBe(down)
  })

  it('are none where no way matters', () => {
    expect(arrowsOf({ kind: 'region', points: SQUARE, rules: [newRule('intrusion', 'region')] }, 1)).toEqual([])
  })
})
