/** What the trend charts show: pure, so that it can be tested without a canvas. */
import type { CameraForecastDay, ForecastDay, ForecastReport } from '@/api/forecast'

const TERABYTE = 1e12

/** UTC days since 1970 as a date: days are the same in every report. */
export const dayText = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10)

export interface Trend {
  days: string[]
  /** Terabytes; null where it is not known. */
  used: (number | null)[]
  projected: (number | null)[]
  capacity: (number | null)[]
  short: (number | null)[]
}

const terabytes = (count: number): number => Math.round((count / TERABYTE) * 1000) / 1000

/** The days that were, and those to come as the newest forecast sees them. Days without one stay empty. */
export function trendOf(days: readonly ForecastDay[], report: Pick<ForecastReport, 'day' | 'store'>, ahead: number): Trend {
  const trend: Trend = { days: [], used: [], projected: [], capacity: [], short: [] }
  const first = days[0]?.day ?? report.day
  if (first === null || report.day === null) return trend
  const known = new Map(days.map((one) => [one.day, one]))
  const projected = report.store?.projected_bytes ?? []
  const last = report.day + Math.min(ahead, Math.max(projected.length - 1, 0))
  const newest = report.store
  for (let day = first; day <= last; day += 1) {
    const one = known.get(day)
    const coming = day >= report.day ? projected[day - report.day] : undefined
    const used = one === undefined ? null : (one.store_used_bytes ?? one.used_bytes)
    const free = one?.store_free_bytes ?? (day > report.day ? (newest?.free_bytes ?? null) : null)
    const base = one?.store_used_bytes ?? (day > report.day ? (newest?.used_bytes ?? null) : null)
    trend.days.push(dayText(day))
    trend.used.push(used === null ? null : terabytes(used))
    trend.projected.push(coming === undefined ? null : terabytes(coming))
    trend.capacity.push(free === null || base === null ? null : terabytes(base + free))
    trend.short.push(one === undefined ? null : one.short)
  }
  return trend
}

/** One camera's days; those that were not kept stay empty. */
export function cameraTrendOf(days: readonly CameraForecastDay[]): { days: string[]; kept: (number | null)[]; required: (number | null)[]; mbps: (number | null)[] } {
  const trend = { days: [] as string[], kept: [] as (number | null)[], required: [] as (number | null)[], mbps: [] as (number | null)[] }
  const [first, last] = [days[0]?.day, days[days.length - 1]?.day]
  if (first === undefined || last === undefined) return trend
  const known = new Map(days.map((one) => [one.day, one]))
  for (let day = first; day <= last; day += 1) {
    const one = known.get(day)
    trend.days.push(dayText(day))
    trend.kept.push(one === undefined ? null : Math.round(one.kept_days * 10) / 10)
    trend.required.push(one?.required_days ?? null)
    trend.mbps.push(one?.bitrate_bps == null ? null : Math.round(one.bitrate_bps / 10_000) / 100)
  }
  return trend
}
