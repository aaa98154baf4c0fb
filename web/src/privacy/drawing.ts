/** Masks while they are drawn: what each gesture makes of them. */
import type { Mask, Point } from '@/api/privacy'

export const MOST_MASKS = 32
export const MOST_POINTS = 32
export const LEAST_POINTS = 3
const LEAST_SIZE = 0.01

const within = (value: number): number => Math.min(1, Math.max(0, value))
export const inPicture = ([x, y]: Point): Point => [within(x), within(y)]

/** Null where it is too small to be meant. */
export function rectangle(a: Point, b: Point): Point[] | null {
  const [left, right] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])].map(within) as [number, number]
  const [top, bottom] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])].map(within) as [number, number]
  if (right - left < LEAST_SIZE || bottom - top < LEAST_SIZE) return null
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ]
}

/** All of it by as much as keeps it in the picture. */
export function moved(points: readonly Point[], dx: number, dy: number): Point[] {
  const clamp = (by: number, values: number[]): number =>
    Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), by))
  const x = clamp(dx, points.map((point) => point[0]))
  const y = clamp(dy, points.map((point) => point[1]))
  return points.map(([px, py]) => [px + x, py + y])
}

export const withPoint = (points: readonly Point[], index: number, to: Point): Point[] =>
  points.map((point, at) => (at === index ? inPicture(to) : point))

/** A corner more in the middle of the edge that begins at `index`. */
export function split(points: readonly Point[], index: number): Point[] {
  const from = points[index]
  const to = points[(index + 1) % points.length]
  if (points.length >= MOST_POINTS || !from || !to) return [...points]
  const middle: Point = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]
  return [...points.slice(0, index + 1), middle, ...points.slice(index + 1)]
}

export function withoutPoint(points: readonly Point[], index: number): Point[] {
  return points.length <= LEAST_POINTS ? [...points] : points.filter((_, at) => at !== index)
}

/** Four decimals are a tenth of a pixel. */
export const rounded = (masks: readonly Mask[]): Mask[] =>
  masks.map(({ name, points }) => ({
    name: name.trim(),
    points: points.map(([x, y]) => [Math.round(x * 10_000) / 10_000, Math.round(y * 10_000) / 10_000]),
  }))
