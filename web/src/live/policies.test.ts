import { describe, expect, it } from 'vitest'

import { BackOff } from './back_off'
import { followEdge } from './edge'
import { snapshotName } from './snapshot'
import { panBy, transformOf, WHOLE, zoomAt } from './zoom'

describe('back-off', () => {
  it('doubles up to its most, and begins anew after a success', () => {
    const backOff = new BackOff(500, 4000, () => 0.5)
    expect([1, 2, 3, 4, 5].map(() => backOff.next())).toEqual([500, 1000, 2000, 4000, 4000])
    backOff.reset()
    expect(backOff.next()).toBe(500)
  })

  it('spreads by a quarter either way, so that 500 tiles do not come back at once', () => {
    expect(new BackOff(1000, 1000, () => 0).next()).toBe(750)
    expect(new BackOff(1000, 1000, () => 1).next()).toBe(1250)
  })
})

describe('the live edge', () => {
  const ranges = [{ start_s: 10, end_s: 20 }]

  it('leaves a position near the newest picture alone', () => {
    expect(followEdge(19.7, ranges)).toEqual({ kind: 'rate', rate: 1 })
  })

  it('catches up gently when a little behind', () => {
    expect(followEdge(19.2, ranges)).toEqual({ kind: 'rate', rate: 1.1 })
  })

  it('jumps when far behind, ahead of what there is, or in a hole', () => {
    const jump = { kind: 'seek', to_s: 19.75 }
    expect(followEdge(15, ranges)).toEqual(jump)
    expect(followEdge(25, ranges)).toEqual(jump)
    expect(followEdge(0, [{ start_s: 1, end_s: 2 }, ...ranges])).toEqual(jump)
  })

  it('never seeks before the newest range', () => {
    expect(followEdge(0, [{ start_s: 10, end_s: 10.1 }])).toEqual({ kind: 'seek', to_s: 10 })
  })

  it('does nothing while nothing is buffered', () => {
    expect(followEdge(0, [])).toEqual({ kind: 'none' })
  })
})

describe('digital zoom', () => {
  it('keeps the point under the pointer where it is', () => {
    const pointer = { x: 0.3, y: -0.2 }
    let zoom = zoomAt(WHOLE, 2, pointer.x, pointer.y)
    // A picture point p is shown at p * scale + shift.
    const point = (pointer.x - zoom.x) / zoom.scale
    zoom = zoomAt(zoom, 1.5, pointer.x, pointer.y)
    expect(point * zoom.scale + zoom.x).toBeCloseTo(pointer.x)
  })

  it('never shows what lies beyond the picture', () => {
    const zoom = panBy(zoomAt(WHOLE, 2, 0, 0), 9, -9)
    expect(zoom).toEqual({ scale: 2, x: 0.5, y: -0.5 })
  })

  it('ends at eight times and returns to the whole picture', () => {
    expect(zoomAt(WHOLE, 100, 0, 0).scale).toBe(8)
    expect(zoomAt(zoomAt(WHOLE, 3, 0.4, 0.4), 0.01, 0, 0)).toEqual(WHOLE)
    expect(transformOf(WHOLE)).toBe('none')
  })
})

describe('the name of a snapshot', () => {
  it('holds camera and time, and nothing that a file system forbids', () => {
    const at_us = new Date(2026, 10, 21, 20, 5, 9).getTime() * 1000
    expect(snapshotName('东门/1号: "A"', at_us, 'jpg')).toBe('东门-1号- -A-_2026-11-21_20-05-09.jpg')
    expect(snapshotName(' ', at_us, 'png')).toBe('camera_2026-11-21_20-05-09.png')
  })
})
