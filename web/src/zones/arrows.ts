/** The arrows that tell which way counts at a zone, and which one is wrong. */
import type { Point } from '@/api/privacy'
import type { Way, Zone } from '@/api/zones'
import { arrowOf } from '@/drawing/shapes'

export interface Arrow {
  /** `counted`: who goes so is counted; `wrong`: goes wrong; `right`: goes the right way. */
  meaning: 'counted' | 'wrong' | 'right'
  points: Point[]
}

/** Of a zone in a picture `aspect` times as wide as it is high. */
export function arrowsOf({ kind, points, rules }: Pick<Zone, 'kind' | 'points' | 'rules'>, aspect: number): Arrow[] {
  return rules.flatMap((rule): Arrow[] => {
    if (kind === 'line' && rule.kind === 'line_crossing') return waysOf(rule.way).map((way) => ({ meaning: 'counted', points: arrowOf(points, way, aspect) }))
    if (rule.kind !== 'wrong_way') return []
    if (kind === 'line') return waysOf(rule.way).map((way) => ({ meaning: 'wrong', points: arrowOf(points, way, aspect) }))
    return [{ meaning: 'right', points: arrowOf(acrossHeading(middleOf(points), rule.heading_deg ?? 0, aspect), 'forward', aspect) }]
  })
}

const waysOf = (way: Way | null | undefined): ('forward' | 'backward')[] => (way === 'forward' || way === 'backward' ? [way] : ['forward', 'backward'])

function middleOf(points: readonly Point[]): Point {
  const sum = points.reduce<Point>(([x, y], point) => [x + point[0], y + point[1]], [0, 0])
  return [sum[0] / points.length, sum[1] / points.length]
}

/** A short line through a point; forward over it is the heading, clockwise from up. */
function acrossHeading([x, y]: Point, heading_deg: number, aspect: number): Point[] {
  const turned = (heading_deg * Math.PI) / 180
  const [along_x, along_y] = [(-Math.cos(turned) * 0.01) / aspect, -Math.sin(turned) * 0.01]
  return [[x - along_x, y - along_y], [x + along_x, y + along_y]]
}
