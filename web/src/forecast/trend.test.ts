import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { ForecastDay, ForecastReport } from '@/api/forecast'

import { cameraTrendOf, trendOf } from './trend'

const day = (number: number, more: Partial<ForecastDay> = {}): ForecastDay => ({
  day: number, cameras: 4, short: 1, empty: 0, filling: 0, used_bytes: 1e12, bytes_per_day: 1e11, least_days: 3,
  store_used_bytes: 2e12, store_free_bytes: 3e12, full_at_us: null, ...more,
})
const store: ForecastReport['store'] = { used_bytes: 2e12, free_bytes: 3e12, bytes_per_day: 1e12, projected_bytes: [2e12, 3e12, 4e12, 5e12] }

describe('the trend of the store', () => {
  it('goes on from today as the newest forecast sees it', () => {
    const trend = trendOf([day(20_000), day(20_001)], { day: 20_001, store }, 2)
    expect(trend.days).toEqual(['2024-10-04', '2024-10-05', '2024-10-06', '2024-10-07'])
    expect(trend.used).toEqual([2, 2, null, null])
    expect(trend.projected).toEqual([null, 2, 3, 4])
    expect(trend.capacity).toEqual([5, 5, 5, 5])
    expect(trend.short).toEqual([1, 1, null, null])
  })

  it('shows the own areas alone to who may not know of the store', () => {
    const own = trendOf([day(20_000, { store_used_bytes: null, store_free_bytes: null })], { day: 20_000, store: null }, 30)
    expect(own).toMatchObject({ used: [1], projected: [null], capacity: [null] })
  })

  it('has no capacity where nobody can tell it', () => {
    const blind = trendOf([day(20_000, { store_free_bytes: null })], { day: 20_000, store: { ...store, free_bytes: null } }, 1)
    expect(blind.capacity).toEqual([null, null])
  })

  it('has a place for every day, kept or not', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 19_000, max: 19_100 }), { minLength: 1 }), fc.nat(60), (numbers, ahead) => {
        const sorted = [...numbers].sort((one, other) => one - other)
        const newest = sorted[sorted.length - 1] ?? 0
        const trend = trendOf(sorted.map((one) => day(one)), { day: newest, store }, ahead)
        const length = newest - (sorted[0] ?? 0) + 1 + Math.min(ahead, 3)
        for (const values of Object.values(trend)) expect(values).toHaveLength(length)
        expect(trend.used.filter((one) => one !== null)).toHaveLength(sorted.length)
      }),
    )
  })
})

it('is empty before the first day', () => {
  expect(trendOf([], { day: null, store: null }, 30).days).toEqual([])
  expect(cameraTrendOf([]).days).toEqual([])
})

it('leaves out a camera\'s days that were not kept', () => {
  const one = { day: 20_000, required_days: 30, kept_days: 12.34, reach_days: 20, bytes_per_day: 1, bitrate_bps: 2_120_000 }
  expect(cameraTrendOf([one, { ...one, day: 20_002, bitrate_bps: null }])).toEqual({
    days: ['2024-10-04', '2024-10-05', '2024-10-06'], kept: [12.3, null, 12.3], required: [30, null, 30], mbps: [2.12, null, null],
  })
})
