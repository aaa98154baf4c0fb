/** Zones while they are drawn: what a new one is, and what may be watched for where. */
import type { Hours, Rule, RuleKind, Span, Zone, ZoneKind } from '@/api/zones'
import { rounded } from '@/drawing/shapes'

export const MOST_ZONES = 16
export const TIME_ZONE = 'Asia/Shanghai'
const WHOLE_WEEK = [1, 2, 3, 4, 5, 6, 7]

export const RULES_OF: Record<ZoneKind, readonly RuleKind[]> = {
  line: ['line_crossing', 'wrong_way'],
  region: ['intrusion', 'loitering', 'crowd', 'wrong_way', 'abandoned_object'],
}

export const CLASSES = ['person', 'bicycle', 'motorcycle', 'car', 'truck', 'bus'] as const

export function newRule(kind: RuleKind, zone: ZoneKind): Rule {
  const rule: Rule = { kind, cool_down_s: 60 }
  if (kind === 'line_crossing') return { ...rule, way: 'both' }
  if (kind === 'wrong_way') return zone === 'line' ? { ...rule, way: 'backward' } : { ...rule, heading_deg: 0 }
  if (kind === 'loitering') return { ...rule, seconds: 30 }
  if (kind === 'crowd') return { ...rule, seconds: 5, count: 5 }
  if (kind === 'abandoned_object') return { ...rule, seconds: 60 }
  return rule
}

export function newZone(kind: ZoneKind, name: string): Zone {
  return {
    name,
    kind,
    points: kind === 'line' ? [[0.5, 0.3], [0.5, 0.75]] : [[0.35, 0.4], [0.65, 0.4], [0.65, 0.7], [0.35, 0.7]],
    rules: [newRule(RULES_OF[kind][0]!, kind)],
    classes: [],
    minimum_height: 0,
    schedule: [],
    time_zone: TIME_ZONE,
  }
}

/** What people mean most often. */
export const SCHEDULES: Record<'always' | 'nights' | 'days', readonly Span[]> = {
  always: [],
  nights: [{ days: WHOLE_WEEK, start: '22:00', end: '06:00' }],
  days: [{ days: [1, 2, 3, 4, 5], start: '08:00', end: '18:00' }],
}

/** Which of them a schedule is; `own` for any other. */
export function scheduleName(schedule: readonly Span[]): keyof typeof SCHEDULES | 'own' {
  const text = JSON.stringify(schedule)
  const found = (Object.keys(SCHEDULES) as (keyof typeof SCHEDULES)[]).find((name) => JSON.stringify(SCHEDULES[name]) === text)
  return found ?? 'own'
}

/** As hours of a camera's analysis; null is always. */
export const hoursOf = (schedule: readonly Span[], time_zone = TIME_ZONE): Hours | null => (schedule.length === 0 ? null : { schedule: [...schedule], time_zone })

export const endsNextDay = ({ start, end }: Span): boolean => end <= start

/** As they are sent. */
export const sent = (zones: readonly Zone[]): Zone[] => zones.map((zone) => ({ ...zone, name: zone.name.trim(), points: rounded(zone.points) }))
