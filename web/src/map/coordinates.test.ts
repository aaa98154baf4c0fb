import { expect, it } from 'vitest'

import { fromGround, gcj02FromWgs84, ontoGround, wgs84FromGcj02, type LongitudeLatitude } from './coordinates'

it('shows known places where public maps do, as the gateway does', () => {
  for (const [place, shown] of [
    [[116.397, 39.909], [116.4032435, 39.9104034]],
    [[113.2, 31.1], [113.2059952, 31.0978352]],
  ] as [LongitudeLatitude, LongitudeLatitude][]) {
    const [longitude, latitude] = gcj02FromWgs84(place)
    expect(longitude).toBeCloseTo(shown[0], 6)
    expect(latitude).toBeCloseTo(shown[1], 6)
  }
})

it('brings every place back to where it was, to a millimetre', () => {
  for (let longitude = 74; longitude < 135; longitude += 3.7) {
    for (let latitude = 18.5; latitude < 53; latitude += 2.9) {
      const [back_longitude, back_latitude] = wgs84FromGcj02(gcj02FromWgs84([longitude, latitude]))
      expect(Math.abs(back_longitude - longitude)).toBeLessThan(1e-8)
      expect(Math.abs(back_latitude - latitude)).toBeLessThan(1e-8)
    }
  }
})

it('shifts nothing abroad, nor where the ground is WGS-84 or CGCS2000', () => {
  expect(gcj02FromWgs84([2.3, 48.8])).toEqual([2.3, 48.8])
  expect(ontoGround('cgcs2000', [113, 31])).toEqual([113, 31])
  expect(fromGround('wgs84', [113, 31])).toEqual([113, 31])
  expect(ontoGround('gcj02', [113, 31])).not.toEqual([113, 31])
})
