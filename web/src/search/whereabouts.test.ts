import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { chartOf, letterOf, type Moment } from './whereabouts'

const moment = (key: string, camera: string, first_us: number, last_us: number): Moment => ({
  key, camera, camera_name: camera.toUpperCase(), first_us, last_us, text: key, kind: 'way',
})

describe('the chart of a way', () => {
  it('has a row a camera, in the order in which they come', () => {
    const { rows } = chartOf([moment('2', 'b', 200e6, 210e6), moment('1', 'a', 100e6, 110e6), moment('3', 'a', 300e6, 310e6)])
    expect(rows.map(({ name, moments }) => [name, moments.map(({ key }) => key)])).toEqual([['A', ['1', '3']], ['B', ['2']]])
  })

  it('keeps everything in sight, however long or short it is', () => {
    const times = fc.tuple(fc.integer({ min: 1, max: 2e15 }), fc.integer({ min: 0, max: 1e11 }))
    fc.assert(
      fc.property(fc.array(times, { minLength: 1, maxLength: 20 }), (all) => {
        const { rows } = chartOf(all.map(([first, length], at) => moment(String(at), `c${at % 3}`, first, first + length)))
        for (const { left, width } of rows.flatMap(({ moments }) => moments)) {
          expect(left).toBeGreaterThan(0)
          expect(left + width).toBeLessThan(1)
        }
      }),
    )
  })

  it('of nothing is empty', () => {
    expect(chartOf([]).rows).toEqual([])
  })
})

it('candidates have letters of their own, beyond Z too', () => {
  const letters = Array.from({ length: 200 }, (_, index) => letterOf(index))
  expect(letters.slice(24, 28)).toEqual(['Y', 'Z', 'AA', 'AB'])
  expect(new Set(letters).size).toBe(200)
})
