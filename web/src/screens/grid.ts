/** Where widgets may stand: on 32 by 18 square cells, none on another. */
import type { Place } from './api'

export const COLUMNS = 32
export const ROWS = 18
export const LEAST: Readonly<Pick<Place, 'width' | 'height'>> = { width: 2, height: 1 }

const within = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), Math.max(least, most))

const overlap = (one: Place, other: Place): boolean =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height

/** Whether `place` is free of all `others`. */
export const isFree = (place: Place, others: readonly Place[]): boolean => !others.some((other) => overlap(place, other))

/** Moved by whole cells, as far as the edges allow. */
export const moved = (place: Place, columns: number, rows: number): Place => ({
  ...place,
  x: within(place.x + columns, 0, COLUMNS - place.width),
  y: within(place.y + rows, 0, ROWS - place.height),
})

/** Its lower right corner moved by whole cells, as far as the edges allow. */
export const resized = (place: Place, columns: number, rows: number): Place => ({
  ...place,
  width: within(place.width + columns, LEAST.width, COLUMNS - place.x),
  height: within(place.height + rows, LEAST.height, ROWS - place.y),
})

/** The first free place of this size, by rows; a smaller one where there is none; null on a full grid. */
export function freePlace(others: readonly Place[], width: number, height: number): Place | null {
  for (let [w, h] = [width, height]; ; [w, h] = [Math.max(LEAST.width, w >> 1), Math.max(LEAST.height, h >> 1)]) {
    for (let y = 0; y + h <= ROWS; y += 1) {
      for (let x = 0; x + w <= COLUMNS; x += 1) {
        const place = { x, y, width: w, height: h }
        if (isFree(place, others)) return place
      }
    }
    if (w === LEAST.width && h === LEAST.height) return null
  }
}
