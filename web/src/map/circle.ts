/** Distances on the ground, and what lies within a circle. */
import type { LongitudeLatitude } from './coordinates'

export const METRES_A_DEGREE = 111_320

export interface Circle {
  middle: LongitudeLatitude
  radius_m: number
}

const shrinking = (latitude: number): number => Math.max(0.01, Math.cos((latitude * Math.PI) / 180))

/** Good for a county: to a part in a thousand over 50 km. */
export function metresBetween([longitude, latitude]: LongitudeLatitude, [other_longitude, other_latitude]: LongitudeLatitude): number {
  const north = (latitude - other_latitude) * METRES_A_DEGREE
  const east = (longitude - other_longitude) * METRES_A_DEGREE * shrinking((latitude + other_latitude) / 2)
  return Math.hypot(north, east)
}

/** The place so many metres away, in degrees clockwise from north. */
export function placeAt([longitude, latitude]: LongitudeLatitude, distance_m: number, heading_deg: number): LongitudeLatitude {
  const angle = (heading_deg * Math.PI) / 180
  return [longitude + (Math.sin(angle) * distance_m) / (METRES_A_DEGREE * shrinking(latitude)), latitude + (Math.cos(angle) * distance_m) / METRES_A_DEGREE]
}

/** Closed, as GeoJSON wants a ring. */
export const ringOf = ({ middle, radius_m }: Circle): LongitudeLatitude[] => Array.from({ length: 65 }, (_, step) => placeAt(middle, radius_m, (step % 64) * (360 / 64)))

/** The nearest first. */
export function within<T extends { longitude: number | null; latitude: number | null }>({ middle, radius_m }: Circle, all: Iterable<T>): T[] {
  const found: { one: T; distance_m: number }[] = []
  for (const one of all) {
    if (one.longitude === null || one.latitude === null) continue
    const distance_m = metresBetween(middle, [one.longitude, one.latitude])
    if (distance_m <= radius_m) found.push({ one, distance_m })
  }
  return found.sort((a, b) => a.distance_m - b.distance_m).map(({ one }) => one)
}
