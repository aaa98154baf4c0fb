import { expect, it } from 'vitest'

import { dayTone, referenceOf, shareOf, stripOf } from './words'

it('says that a day is whole only when nothing is missing', () => {
  expect(shareOf({ recorded_us: 999_999, expected_us: 1_000_000 })).toBe(0.999)
  expect(shareOf({ recorded_us: 2, expected_us: 1 })).toBe(1)
  expect(shareOf({ recorded_us: 0, expected_us: 0 })).toBeNull()
})

it('shows every day of the strip, and which of them nothing is known of', () => {
  const known = { day: '2026-11-23', recorded_us: 1, expected_us: 2, findings: [] }
  const strip = stripOf(['2026-11-22', '2026-11-23'], { days: [known] })
  expect(strip.map((one) => dayTone(shareOf(one)))).toEqual(['none', 'some'])
})

it('shows the newest reference', () => {
  const day = { mode: 'day' as const, at_us: 1, by_name: null }
  const night = { mode: 'night' as const, at_us: 2, by_name: 'li' }
  expect(referenceOf({ references: [night, day] })).toBe(night)
  expect(referenceOf({ references: [] })).toBeNull()
})
