/** Arranging widgets, and which scene is shown when. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { AlarmSwitch } from './api'
import { COLUMNS, freePlace, isFree, moved, resized, ROWS } from './grid'
import { advance, alarmed, begin, choose, shownScene } from './showing'

const place = fc.record({ x: fc.nat(COLUMNS - 2), y: fc.nat(ROWS - 1), width: fc.integer({ min: 2, max: COLUMNS }), height: fc.integer({ min: 1, max: ROWS }) }).filter(({ x, y, width, height }) => x + width <= COLUMNS && y + height <= ROWS)
const step = fc.integer({ min: -50, max: 50 })

describe('the grid', () => {
  it('keeps what is moved or resized inside', () => {
    fc.assert(
      fc.property(place, step, step, (one, columns, rows) => {
        for (const { x, y, width, height } of [moved(one, columns, rows), resized(one, columns, rows)]) {
          expect(x >= 0 && y >= 0 && width >= 2 && height >= 1 && x + width <= COLUMNS && y + height <= ROWS).toBe(true)
        }
      }),
    )
  })

  it('finds a free place while there is one, a smaller one where the grid is nearly full', () => {
    expect(freePlace([], 8, 4)).toEqual({ x: 0, y: 0, width: 8, height: 4 })
    const nearly = [{ x: 0, y: 0, width: COLUMNS, height: ROWS - 1 }]
    const found = freePlace(nearly, 8, 4)
    expect(found !== null && isFree(found, nearly)).toBe(true)
    expect(freePlace([{ x: 0, y: 0, width: COLUMNS, height: ROWS }], 8, 4)).toBeNull()
  })
})

const RULE: AlarmSwitch = { scene: 2, priority: 'high', hold_s: 30 }
const ALARM = { priority: 'high', state: 'open', acknowledged_us: null, camera_id: 'cam_1' } as const

describe('the scene', () => {
  it('goes on by the tour, and begins anew where somebody chose', () => {
    let showing = begin(0)
    showing = advance(showing, 3, 10, 9_999)
    expect(showing.scene).toBe(0)
    showing = advance(showing, 3, 10, 10_000)
    expect(showing.scene).toBe(1)
    showing = choose(showing, 2, 3, 15_000)
    expect(advance(showing, 3, 10, 24_000).scene).toBe(2)
    expect(advance(showing, 3, 10, 25_000).scene).toBe(0)
  })

  it('is the alarm’s for a while, and then what it was', () => {
    const showing = alarmed(choose(begin(0), 1, 3, 0), ALARM, RULE, 1_000)
    expect(shownScene(showing, RULE)).toBe(2)
    expect(shownScene(advance(showing, 3, 5, 30_999), RULE)).toBe(2)
    expect(shownScene(advance(showing, 3, 5, 31_000), RULE)).toBe(1)
  })

  it('stays for what is not urgent, over, or seen to', () => {
    for (const other of [{ priority: 'medium' }, { state: 'ended' }, { acknowledged_us: 1 }] as const) {
      expect(alarmed(begin(0), { ...ALARM, ...other }, RULE, 0).alarm).toBeNull()
    }
    expect(alarmed(begin(0), { ...ALARM, priority: 'emergency' }, RULE, 0).alarm).not.toBeNull()
  })
})
