import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Playback } from './api'
import { counted, positionAt } from './playback_position'

const film: Playback = {
  source: 'file', camera_id: null, recording_id: null, file_id: 'f', start_us: null, end_us: null, length_us: 60_000_000,
  state: 'playing', position_us: 5_000_000, since_us: 1_000_000, loop: false, problem: null,
}

describe('a recording in a meeting', () => {
  it('goes on from where it was, to its end', () => {
    expect(positionAt(film, 3_000_000)).toBe(7_000_000)
    expect(positionAt(film, 1_000_000_000)).toBe(60_000_000)
    expect(positionAt({ ...film, state: 'paused' }, 1_000_000_000)).toBe(5_000_000)
  })

  it('begins anew where it loops', () => {
    expect(positionAt({ ...film, loop: true }, 59_000_000)).toBe(3_000_000)
  })

  it('is never outside of itself, whatever this clock says', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), fc.boolean(), (now_us, loop) => {
        const at_us = positionAt({ ...film, loop }, now_us)
        return at_us >= 0 && at_us <= film.length_us
      }),
    )
  })

  it('is counted as clocks are', () => {
    expect([5e6, 750e6, 3_723e6].map(counted)).toEqual(['0:05', '12:30', '1:02:03'])
  })
})
