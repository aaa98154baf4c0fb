import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { answer, run, S } from './footage.fixture'
import { FragmentIndex, JOIN_US } from './fragment_index'

const two = () => {
  const index = new FragmentIndex()
  index.add(
    answer(
      [
        { run: run('a'), start_us: 10 * S, durations_us: [2 * S, 2 * S, 2 * S] },
        { run: run('b'), start_us: 30 * S, durations_us: [2 * S, 2 * S] },
      ],
      [{ start_us: 16 * S, end_us: 30 * S, cause: 'camera_offline' }],
    ),
    { start_us: 0, end_us: 100 * S },
  )
  return index
}

describe('the fragment index', () => {
  it('finds the fragment of an instant, and none in a hole', () => {
    const index = two()
    expect(index.fragments[index.at(13 * S)].start_us).toBe(12 * S)
    expect(index.at(16 * S)).toBe(-1)
    expect(index.at(9 * S)).toBe(-1)
  })

  it('names the cause of a gap, and says so when it does not know it', () => {
    const index = two()
    expect(index.gapAt(20 * S)).toMatchObject({ cause: 'camera_offline', end_us: 30 * S })
    expect(index.gapAt(50 * S)).toEqual({ start_us: 34 * S, end_us: 100 * S, cause: 'none' })
    index.add(answer([{ run: run('b'), start_us: 60 * S, durations_us: [2 * S] }]), {
      start_us: 40 * S,
      end_us: 100 * S,
    })
    expect(index.gapAt(50 * S)).toEqual({ start_us: 34 * S, end_us: 60 * S, cause: 'unknown' })
    expect(index.gapAt(13 * S)).toBeNull()
  })

  it('knows where footage ends', () => {
    const index = two()
    expect(index.footageEnd(10 * S)).toBe(16 * S)
    expect(index.footageEnd(20 * S)).toBeNull()
  })

  it('goes back to the keyframe of a long group of pictures, never into another run', () => {
    const index = new FragmentIndex()
    index.add(
      answer([
        { run: run('a'), start_us: 0, durations_us: [2 * S, 2 * S], keyframes: [true, false] },
        { run: run('b'), start_us: 4 * S, durations_us: [2 * S, 2 * S], keyframes: [false, false] },
      ]),
      { start_us: 0, end_us: 10 * S },
    )
    expect(index.keyframeBefore(1)).toBe(0)
    expect(index.keyframeBefore(3)).toBe(2)
    expect(index.lastKeyframeBy(7 * S)).toBe(0)
  })

  it('enters sound that has no picture anywhere, not at its beginning hours ago', () => {
    const index = new FragmentIndex()
    const voice = run('v', 0, { mime: 'audio/mp4; codecs="opus"', width: 0, height: 0, has_audio: true })
    index.add(answer([{ run: voice, start_us: 0, durations_us: [2 * S, 2 * S, 2 * S], keyframes: [false, false, false] }]), { start_us: 0, end_us: 10 * S })
    expect(index.keyframeBefore(2)).toBe(2)
  })

  it('takes an answer as the whole truth about its range', () => {
    const index = two()
    index.add(answer([{ run: run('b'), start_us: 30 * S, durations_us: [2 * S] }]), {
      start_us: 20 * S,
      end_us: 100 * S,
    })
    expect(index.fragments.map((f) => f.start_us / S)).toEqual([10, 12, 14, 30])
  })

  it('grows at the open end without doubling a fragment', () => {
    const index = new FragmentIndex()
    const open = run('a')
    index.add(answer([{ run: open, start_us: 0, durations_us: [S, S] }]), { start_us: 0, end_us: 9 * S }, S)
    expect(index.isKnown(1.5 * S)).toBe(true)
    expect(index.isKnown(2 * S)).toBe(false)
    index.add(answer([{ run: open, start_us: 0, durations_us: [S, S, S] }]), { start_us: 2 * S, end_us: 9 * S }, S)
    expect(index.fragments.map((f) => f.number)).toEqual([0, 1, 2])
    expect(index.fragments[2].run).toBe(index.fragments[0].run)
  })

  it('shows what cannot be played as a gap, even when it is promised again', () => {
    const index = two()
    index.exclude(index.fragments[index.at(12 * S)])
    expect(index.gapAt(13 * S)).toMatchObject({ cause: 'unplayable', start_us: 12 * S, end_us: 14 * S })
    index.add(answer([{ run: run('a'), start_us: 10 * S, durations_us: [2 * S, 2 * S, 2 * S] }]), {
      start_us: 0,
      end_us: 20 * S,
    })
    expect(index.at(13 * S)).toBe(-1)
  })

  it('agrees with a linear search, whatever the fragments', () => {
    const pieces = fc.array(
      fc.record({ hole: fc.nat(3), duration: fc.integer({ min: 1, max: 5 }), keyframe: fc.boolean() }),
      { minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(pieces, fc.nat(160), (list, half_s) => {
        const us = half_s * S * 0.5
        const index = new FragmentIndex()
        const theRun = run('a')
        let at = 0
        const whole = answer([{ run: theRun, start_us: 0, durations_us: [] }])
        list.forEach((piece, number) => {
          at += piece.hole * S
          whole.fragments.run.push(0)
          whole.fragments.start_us.push(at)
          whole.fragments.duration_us.push(piece.duration * S)
          whole.fragments.segment_id.push('s')
          whole.fragments.number.push(number)
          whole.fragments.bytes.push(1)
          whole.fragments.keyframe?.push(piece.keyframe)
          at += piece.duration * S
        })
        index.add(whole, { start_us: 0, end_us: 200 * S })
        const all = index.fragments
        expect(index.at(us)).toBe(all.findIndex((f) => f.start_us <= us && us < f.end_us))
        const after = all.findIndex((f) => f.end_us > us)
        expect(index.firstEndingAfter(us)).toBe(after < 0 ? all.length : after)
        expect(index.lastStartingBy(us)).toBe(all.filter((f) => f.start_us <= us).length - 1)
        const position = index.at(us)
        if (position >= 0) {
          const end = index.footageEnd(us)!
          expect(index.unbroken(position, end - 1)).toBe(true)
          const next = all.find((f) => f.start_us >= end)
          if (next) expect(next.start_us - end).toBeGreaterThan(JOIN_US)
        }
      }),
    )
  })
})
