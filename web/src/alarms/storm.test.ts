import { describe, expect, it } from 'vitest'

import { Storm } from './storm'

describe('Storm', () => {
  it('is none while somebody can read along', () => {
    const storm = new Storm()
    for (let at_ms = 0; at_ms < 60_000; at_ms += 110) {
      storm.came(at_ms)
      expect(storm.rages(at_ms)).toBe(false)
    }
  })

  it('begins with the eleventh in a second and ends three seconds after it calms down', () => {
    const storm = new Storm()
    for (let n = 0; n < 10; n += 1) storm.came(n)
    expect(storm.rages(10)).toBe(false)
    storm.came(10)
    expect(storm.rages(11)).toBe(true)
    expect(storm.rages(3009)).toBe(true)
    expect(storm.rages(3011)).toBe(false)
  })

  it('begins when the gateway does not tell all', () => {
    const storm = new Storm()
    storm.more(100)
    expect(storm.rages(101)).toBe(true)
  })
})
