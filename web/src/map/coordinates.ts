/**
 * Where a map in GCJ-02 shows a place, and back. Everything that the gateway tells is WGS-84; only
 * what is drawn on tiles of another system is shifted, once, here. The same as
 * gateway/geo/coordinates.py, with the same places in its test.
 */
export type CoordinateSystem = 'wgs84' | 'cgcs2000' | 'gcj02'

/** Longitude and latitude in degrees. */
export type LongitudeLatitude = readonly [longitude: number, latitude: number]

const SEMI_MAJOR_AXIS_M = 6378245
const ECCENTRICITY_SQUARED = 0.00669342162296594323
const EXACT_DEG = 1e-9
const TURNS = 30
const { PI, abs, cos, sin, sqrt } = Math

const isShifted = ([longitude, latitude]: LongitudeLatitude): boolean => longitude >= 72.004 && longitude <= 137.8347 && latitude >= 0.8293 && latitude <= 55.8271
const ripples = (east: number): number => ((20 * sin(6 * east * PI) + 20 * sin(2 * east * PI)) * 2) / 3

function waves(value: number, [one, two, three, four]: readonly [number, number, number, number]): number {
  const turns = value * PI
  return ((one * sin(turns) + two * sin(turns / 3) + three * sin(turns / 12) + four * sin(turns / 30)) * 2) / 3
}

export function gcj02FromWgs84(place: LongitudeLatitude): LongitudeLatitude {
  if (!isShifted(place)) return place
  const [longitude, latitude] = place
  const east = longitude - 105
  const north = latitude - 35
  const shiftNorth_m =
    -100 + 2 * east + 3 * north + 0.2 * north ** 2 + 0.1 * east * north + 0.2 * sqrt(abs(east)) + ripples(east) + waves(north, [20, 40, 160, 320])
  const shiftEast_m = 300 + east + 2 * north + 0.1 * east ** 2 + 0.1 * east * north + 0.1 * sqrt(abs(east)) + ripples(east) + waves(east, [20, 40, 150, 300])
  const angle = (latitude * PI) / 180
  const flatness = 1 - ECCENTRICITY_SQUARED * sin(angle) ** 2
  const northRadius_m = (SEMI_MAJOR_AXIS_M * (1 - ECCENTRICITY_SQUARED)) / (flatness * sqrt(flatness))
  const eastRadius_m = (SEMI_MAJOR_AXIS_M / sqrt(flatness)) * cos(angle)
  return [longitude + ((shiftEast_m / eastRadius_m) * 180) / PI, latitude + ((shiftNorth_m / northRadius_m) * 180) / PI]
}

export function wgs84FromGcj02(place: LongitudeLatitude): LongitudeLatitude {
  if (!isShifted(place)) return place
  let [longitude, latitude] = place
  for (let turn = 0; turn < TURNS; turn += 1) {
    const shifted = gcj02FromWgs84([longitude, latitude])
    const east = place[0] - shifted[0]
    const north = place[1] - shifted[1]
    longitude += east
    latitude += north
    if (abs(east) < EXACT_DEG && abs(north) < EXACT_DEG) break
  }
  return [longitude, latitude]
}

/** From what the gateway tells to what the ground is drawn in. */
export const ontoGround = (system: CoordinateSystem, place: LongitudeLatitude): LongitudeLatitude => (system === 'gcj02' ? gcj02FromWgs84(place) : place)

/** From a point of the ground to what the gateway is told. */
export const fromGround = (system: CoordinateSystem, place: LongitudeLatitude): LongitudeLatitude => (system === 'gcj02' ? wgs84FromGcj02(place) : place)
