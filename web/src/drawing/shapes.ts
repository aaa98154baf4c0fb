/** Lines and regions while they are drawn: what each gesture makes of them. All points are shares of the picture. */
import type { Point } from '@/api/privacy'

export const MOST_POINTS = 32
export const LEAST_POINTS = 3
const LEAST_SIZE = 0.01
const LEAST_LENGTH = 0.02

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

/** Null where it is too short to be meant. */
export const line = (from: Point, to: Point): Point[] | null => (Math.hypot(to[0] - from[0], to[1] - from[1]) < LEAST_LENGTH ? null : [from, to])

/** What dragging from one place to another draws. */
export const drawnAs = (kind: 'line' | 'region', from: Point, to: Point): Point[] | null => (kind === 'line' ? line : rectangle)(from, to)

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

/** A corner was dragged, or all of it where that is null. */
export const dragged = (points: readonly Point[], corner: number | null, from: Point, to: Point): Point[] =>
  corner === null ? moved(points, to[0] - from[0], to[1] - from[1]) : withPoint(points, corner, to)

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

/** The edge that lies nearest to a point; edge n begins at corner n. */
export function nearestEdge(points: readonly Point[], [x, y]: Point): number {
  let best = 0
  let distance = Infinity
  points.forEach(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length]!
    const along = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 || 1)))
    const off = Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
    if (off < distance) [best, distance] = [index, off]
  })
  return best
}

/**
 * The arrow across a line, as shares of a picture `aspect` times as wide as it is high.
 *
 * Forward is from the left of who walks from the first point to the second to their right.
 */
export function arrowOf(line: readonly Point[], way: 'forward' | 'backward', aspect: number): Point[] {
  const [a, b] = [line[0]!, line[line.length - 1]!]
  const [dx, dy] = [(b[0] - a[0]) * aspect, b[1] - a[1]]
  const length = Math.hypot(dx, dy) || 1
  const [along, across]: [Point, Point] = [[dx / length, dy / length], [-dy / length, dx / length]]
  const sign = way === 'forward' ? 1 : -1
  const middle: Point = [((a[0] + b[0]) / 2) * aspect, (a[1] + b[1]) / 2]
  const to = (u: number, v: number): Point => [
    (middle[0] + along[0] * u + across[0] * v * sign) / aspect,
    middle[1] + along[1] * u + across[1] * v * sign,
  ]
  return [to(-0.022, 0.018), to(0.022, 0.018), to(0, 0.065)]
}

/** Four decimals are a tenth of a pixel. */
export const rounded = (points: readonly Point[]): Point[] => points.map(([x, y]) => [Math.round(x * 10_000) / 10_000, Math.round(y * 10_000) / 10_000])
