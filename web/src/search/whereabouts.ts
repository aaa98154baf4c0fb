/** A way across cameras, as rows of a chart of time, and what it says where nobody has a map. */
import type { Hit, TrailPoint } from './api'

export interface Moment {
  key: string
  camera: string
  camera_name: string
  first_us: number
  last_us: number
  text: string
  kind: 'way' | 'maybe'
}

export interface ChartRow {
  camera: string
  name: string
  moments: (Moment & { left: number; width: number })[]
}

/** A minute is the least that a chart spans; there is room at both ends. */
const LEAST_SPAN_US = 60_000_000
const ROOM = 0.06

/** One row a camera, in the order in which something was first seen there; `left` and `width` are shares of the chart. */
export function chartOf(moments: readonly Moment[]): { rows: ChartRow[]; start_us: number; end_us: number } {
  if (moments.length === 0) return { rows: [], start_us: 0, end_us: 0 }
  const first = Math.min(...moments.map(({ first_us }) => first_us))
  const last = Math.max(...moments.map(({ last_us }) => last_us))
  const short = Math.max(0, LEAST_SPAN_US - (last - first))
  const span = last - first + short
  const start_us = Math.round(first - short / 2 - span * ROOM)
  const end_us = Math.round(last + short / 2 + span * ROOM)
  const rows = new Map<string, ChartRow>()
  for (const moment of [...moments].sort((a, b) => a.first_us - b.first_us)) {
    let row = rows.get(moment.camera)
    if (row === undefined) {
      row = { camera: moment.camera, name: moment.camera_name, moments: [] }
      rows.set(moment.camera, row)
    }
    const left = (moment.first_us - start_us) / (end_us - start_us)
    row.moments.push({ ...moment, left, width: (moment.last_us - moment.first_us) / (end_us - start_us) })
  }
  return { rows: [...rows.values()], start_us, end_us }
}

/** Candidates are lettered, so that nobody takes them for points of the way, which are numbered. */
export const letterOf = (index: number): string =>
  index < 26 ? String.fromCharCode(65 + index) : `${String.fromCharCode(64 + Math.floor(index / 26))}${String.fromCharCode(65 + (index % 26))}`

export const momentOfPoint = (point: TrailPoint, index: number): Moment => ({
  key: point.passage_id, camera: point.camera_id, camera_name: point.camera_name, first_us: point.first_us, last_us: point.last_us, text: String(index + 1), kind: 'way',
})

export const momentOfHit = (hit: Hit, index: number): Moment => ({
  key: hit.id, camera: hit.camera_id ?? hit.camera_name, camera_name: hit.camera_name, first_us: hit.first_us, last_us: hit.last_us, text: letterOf(index), kind: 'maybe',
})
