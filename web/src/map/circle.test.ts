import { expect, it } from 'vitest'

import { metresBetween, placeAt, ringOf, within } from './circle'
import type { LongitudeLatitude } from './coordinates'

const MIDDLE: LongitudeLatitude = [113.2, 31.1]

it('measures what it walks', () => {
  for (const heading of [0, 37, 90, 180, 271]) expect(metresBetween(MIDDLE, placeAt(MIDDLE, 850, heading))).toBeCloseTo(850, 0)
})

it('closes its ring, each point as far away', () => {
  const ring = ringOf({ middle: MIDDLE, radius_m: 300 })
  expect(ring[0]).toEqual(ring[ring.length - 1])
  for (const point of ring) expect(metresBetween(MIDDLE, point)).toBeCloseTo(300, 0)
})

it('finds what lies within, the nearest first, and nothing that stands nowhere', () => {
  const at = (id: string, distance_m: number) => {
    const [longitude, latitude] = placeAt(MIDDLE, distance_m, 45)
    return { id, longitude, latitude }
  }
  const all = [at('far', 600), at('edge', 299), at('near', 10), { id: 'nowhere', longitude: null, latitude: null }]
  expect(within({ middle: MIDDLE, radius_m: 300 }, all).map(({ id }) => id)).toEqual(['near', 'edge'])
})
