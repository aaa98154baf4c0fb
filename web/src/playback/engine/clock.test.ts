import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { correction, MasterClock, NUDGE_LIMIT } from './clock'

describe('the master clock', () => {
  it('runs at its rate, and stands while it is held', () => {
    const clock = new MasterClock(1_000_000, 0)
    expect(clock.position(5_000)).toBe(1_000_000)
    clock.setRate(2, 5_000)
    clock.run(5_000)
    expect(clock.position(6_000)).toBe(3_000_000)
    clock.hold(6_000)
    expect(clock.position(9_000)).toBe(3_000_000)
    clock.setRate(-1, 9_000)
    clock.run(9_000)
    expect(clock.position(9_500)).toBe(2_500_000)
  })

  it('never jumps when the rate changes or when it is held and let go', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('rate' as const), rate: fc.constantFrom(-16, -1, 0.25, 1, 4, 16) }),
      fc.record({ kind: fc.constant('hold' as const) }),
      fc.record({ kind: fc.constant('run' as const) }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(action, fc.nat(500))), (actions) => {
        const clock = new MasterClock(0, 0)
        let now = 0
        for (const [step, pause] of actions) {
          now += pause
          const before = clock.position(now)
          if (step.kind === 'rate') clock.setRate(step.rate, now)
          else if (step.kind === 'hold') clock.hold(now)
          else clock.run(now)
          expect(Math.abs(clock.position(now) - before)).toBeLessThanOrEqual(1)
        }
      }),
    )
  })
})

describe('a follower', () => {
  it('that is on time is left alone', () => {
    expect(correction(0.005, 1)).toEqual({ kind: 'rate', rate: 1 })
  })

  it('that is far off is moved', () => {
    expect(correction(2, 1)).toEqual({ kind: 'seek' })
    expect(correction(-2, 1)).toEqual({ kind: 'seek' })
    expect(correction(1, 4)).toEqual({ kind: 'rate', rate: 4 * (1 + NUDGE_LIMIT) })
  })

  it('comes within 80 ms in two seconds from anywhere it is nudged from, and stays', () => {
    const late = fc.double({ min: -0.34, max: 0.34, noNaN: true })
    fc.assert(
      fc.property(late, fc.constantFrom(0.25, 0.5, 1, 2, 4), (late_real_s, rate) => {
        let late_s = late_real_s * rate
        for (let tick = 0; tick < 100; tick += 1) {
          const step = correction(late_s, rate)
          if (step.kind !== 'rate') throw new Error('no seek is needed here')
          late_s += (rate - step.rate) * 0.04
          if (tick > 50) expect(Math.abs(late_s / rate)).toBeLessThan(0.08)
        }
      }),
    )
  })
})
