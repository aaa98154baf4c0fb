/** When a site takes calls by itself: chosen by who sits there, off unless chosen. */
import type { Hours } from './api'

/** What the form holds: one stretch of every day; `until` may lie before it: over midnight. */
export interface DailyRange {
  on: boolean
  from: string
  until: string
}

export const NEVER: DailyRange = { on: false, from: '08:00', until: '18:00' }
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]
const DAY_MIN = 24 * 60
const CLOCK = /^([01]\d|2[0-3]):([0-5]\d)$/

function minutesOf(clock: string): number | null {
  const [whole, hour, minute] = CLOCK.exec(clock) ?? []
  return whole === undefined ? null : Number(hour) * 60 + Number(minute)
}

const clockOf = (minutes: number): string => `${String(Math.floor((minutes % DAY_MIN) / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`

/** Null where the form is not filled in. */
export function hoursOf({ on, from, until }: DailyRange): Hours[] | null {
  if (!on) return []
  const [begin, end] = [minutesOf(from), minutesOf(until)]
  if (begin === null || end === null || begin === end) return null
  const days = EVERY_DAY
  if (begin < end) return [{ days, from_min: begin, until_min: end }]
  const evening = { days, from_min: begin, until_min: DAY_MIN }
  return end === 0 ? [evening] : [evening, { days, from_min: 0, until_min: end }]
}

/** As the form shows it; what somebody has written in finer steps is shown by its outer ends. */
export function rangeOf(hours: readonly Hours[]): DailyRange {
  const [first, second] = hours
  if (first === undefined) return { ...NEVER }
  const isNight = second !== undefined && second.from_min === 0 && first.until_min === DAY_MIN
  const last = isNight ? second : (hours[hours.length - 1] ?? first)
  return { on: true, from: clockOf(first.from_min), until: clockOf(last.until_min) }
}

/** Whether a call at this local time is taken without anybody touching anything. */
export function takesItself(hours: readonly Hours[], at: Date): boolean {
  const day = (at.getDay() + 6) % 7
  const minute = at.getHours() * 60 + at.getMinutes()
  return hours.some((one) => one.days.includes(day) && minute >= one.from_min && minute < one.until_min)
}
