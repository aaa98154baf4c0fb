import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { atMostEvery } from './seldom'

describe('atMostEvery', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('does it at once when it was not done for long', () => {
    const work = vi.fn()
    atMostEvery(1000, work).ask()
    vi.advanceTimersByTime(0)
    expect(work).toHaveBeenCalledTimes(1)
  })

  it('goes on doing it while it is asked for without a pause', () => {
    const work = vi.fn()
    const seldom = atMostEvery(1000, work)
    for (let at_ms = 0; at_ms < 4500; at_ms += 10) {
      seldom.ask()
      vi.advanceTimersByTime(10)
    }
    expect(work).toHaveBeenCalledTimes(5)
  })

  it('does what was asked for last', () => {
    const seen: number[] = []
    let value = 0
    const seldom = atMostEvery(1000, () => seen.push(value))
    for (value = 1; value <= 3; value += 1) {
      seldom.ask()
      vi.advanceTimersByTime(1)
    }
    vi.advanceTimersByTime(2000)
    expect(seen).toEqual([1, 4])
  })

  it('does nothing more once it is stopped', () => {
    const work = vi.fn()
    const seldom = atMostEvery(1000, work)
    seldom.ask()
    seldom.stop()
    vi.advanceTimersByTime(5000)
    expect(work).not.toHaveBeenCalled()
  })
})
