import { describe, expect, it } from 'vitest'

import { fitted, readLayout, readScreen, regrid, swapped } from './document'
import { ARRANGEMENTS, GRIDS, neighbour, tileCount } from './grids'
import { commandOf, KEY_HELP } from './keyboard'
import { advance, startOfTour, stepBy } from './tour'

const tile = (camera_id: string) => ({ camera_id, quality: 'auto' as const })

describe('arrangements', () => {
  it('have as many tiles as their names say', () => {
    expect(GRIDS.map(tileCount)).toEqual([1, 4, 9, 16, 25, 6, 8])
  })

  it.each(GRIDS)('%s covers every cell once', (grid) => {
    const { columns, rows, cells } = ARRANGEMENTS[grid]
    const covered = new Set<string>()
    for (const { column, row, span } of cells) {
      for (let x = column; x < column + span; x += 1) {
        for (let y = row; y < row + span; y += 1) {
          expect(covered.has(`${x} ${y}`)).toBe(false)
          covered.add(`${x} ${y}`)
        }
      }
    }
    expect(covered.size).toBe(columns * rows)
  })

  it.each(GRIDS)('%s lets the arrows reach every tile', (grid) => {
    const reached = new Set([0])
    const waiting = [0]
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      for (const direction of ['left', 'right', 'up', 'down'] as const) {
        const next = neighbour(grid, index, direction)
        if (!reached.has(next)) {
          reached.add(next)
          waiting.push(next)
        }
      }
    }
    expect(reached.size).toBe(tileCount(grid))
  })

  it('stay at the edge and step from the large tile to what lies beside it', () => {
    expect(neighbour('3x3', 0, 'left')).toBe(0)
    expect(neighbour('3x3', 4, 'up')).toBe(1)
    expect(ARRANGEMENTS['1+5'].cells[neighbour('1+5', 0, 'right')]).toMatchObject({ column: 2 })
    expect(ARRANGEMENTS['1+7'].cells[neighbour('1+7', 0, 'down')]).toMatchObject({ row: 3 })
  })
})

describe('documents from the gateway', () => {
  it('are made to fit their grid', () => {
    expect(fitted([tile('a')], '2x2')).toEqual([tile('a'), null, null, null])
    expect(fitted([tile('a'), tile('b')], '1x1')).toEqual([tile('a')])
  })

  it('are refused when they are no layout, and mended where they are odd', () => {
    expect(readLayout(null)).toBeNull()
    expect(readLayout({ grid: '7x7', tiles: [] })).toBeNull()
    expect(readLayout({ grid: '2x2', tiles: 'x' })).toBeNull()
    expect(readLayout({ grid: '2x2', tiles: [{ camera_id: 'a', quality: 'huge' }, 7, { camera_id: '' }] })).toEqual({
      grid: '2x2',
      tiles: [tile('a'), null, null, null],
    })
  })

  it('keep what was maximised only where there is something', () => {
    const document = { grid: '2x2', tiles: [tile('a')], maximised: 0, layout_id: 'l', tour_id: 5 }
    expect(readScreen(document)).toMatchObject({ maximised: 0, layout_id: 'l', tour_id: null })
    expect(readScreen({ ...document, maximised: 2 })).toMatchObject({ maximised: null })
  })
})

describe('another grid', () => {
  it('loses no camera that it has room for', () => {
    const tiles = [null, tile('a'), null, null, tile('b'), tile('c'), null, null, null]
    expect(regrid(tiles, '2x2')).toEqual({ tiles: [tile('b'), tile('a'), tile('c'), null], left_over: 0 })
  })

  it('says how many found no place', () => {
    expect(regrid([tile('a'), tile('b'), tile('c'), tile('d')], '1x1').left_over).toBe(3)
  })

  it('swaps two tiles', () => {
    expect(swapped([tile('a'), null], 0, 1)).toEqual([null, tile('a')])
  })
})

describe('a tour', () => {
  it('goes to the next step after its dwell, and round', () => {
    let clock = startOfTour()
    for (let step = 0; step < 40; step += 1) clock = advance(clock, 250, 2, 5)
    expect(clock).toMatchObject({ step: 0, shown_ms: 0 })
    expect(advance({ ...clock, shown_ms: 4900 }, 100, 2, 5).step).toBe(1)
  })

  it('stands while paused, and does not rush after a sleep', () => {
    const paused = { ...startOfTour(), paused: true }
    expect(advance(paused, 60_000, 3, 5)).toBe(paused)
    expect(advance(startOfTour(), 3_600_000, 3, 5).step).toBe(1)
  })

  it('is stepped by hand, both ways round', () => {
    expect(stepBy(startOfTour(), -1, 3).step).toBe(2)
    expect(stepBy(startOfTour(), 1, 0).step).toBe(0)
  })
})

describe('keys', () => {
  const plain = { shiftKey: false, ctrlKey: false, altKey: false, metaKey: false }

  it('name commands, in either case', () => {
    expect(commandOf({ ...plain, key: 'S' })).toEqual({ name: 'snapshot' })
    expect(commandOf({ ...plain, key: 'ArrowUp' })).toEqual({ name: 'walk', direction: 'up' })
    expect(commandOf({ ...plain, key: 'ArrowUp', shiftKey: true })).toEqual({ name: 'swap', direction: 'up' })
    expect(commandOf({ ...plain, key: '6' })).toEqual({ name: 'grid', grid: '1+5' })
  })

  it('leave the browser its own', () => {
    expect(commandOf({ ...plain, key: 's', ctrlKey: true })).toBeNull()
    expect(commandOf({ ...plain, key: 'y' })).toBeNull()
    expect(commandOf({ ...plain, key: 'constructor' })).toBeNull()
  })

  it('are all in the help', () => {
    expect(new Set(KEY_HELP.map((row) => row.words)).size).toBe(KEY_HELP.length)
  })
})
