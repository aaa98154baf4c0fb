/** Where the timeline's grid lines go, in local time, and how they are labelled. */

import { DAY_US, SECOND_US, type View } from './view'

const MINUTE_US = 60 * SECOND_US
const HOUR_US = 60 * MINUTE_US

/** Steps that people count in; the grid takes the first that leaves room for its labels. */
export const STEPS_US = [
  0.05 * SECOND_US,
  0.1 * SECOND_US,
  0.2 * SECOND_US,
  0.5 * SECOND_US,
  SECOND_US,
  2 * SECOND_US,
  5 * SECOND_US,
  10 * SECOND_US,
  15 * SECOND_US,
  30 * SECOND_US,
  MINUTE_US,
  2 * MINUTE_US,
  5 * MINUTE_US,
  10 * MINUTE_US,
  15 * MINUTE_US,
  30 * MINUTE_US,
  HOUR_US,
  2 * HOUR_US,
  3 * HOUR_US,
  6 * HOUR_US,
  12 * HOUR_US,
  DAY_US,
  2 * DAY_US,
  7 * DAY_US,
]

export interface Tick {
  us: number
  /** A day begins here. */
  midnight: boolean
}

export interface Grid {
  step_us: number
  ticks: Tick[]
}

/** The grid whose lines are at least `room` of the view's width apart (0.1: at most ten). */
export function grid(view: View, room: number, utc_offset_minutes: number): Grid {
  const least_us = (view.end_us - view.start_us) * room
  const step_us = STEPS_US.find((step) => step >= least_us) ?? STEPS_US[STEPS_US.length - 1]
  const offset_us = utc_offset_minutes * MINUTE_US
  const ticks: Tick[] = []
  let local = Math.ceil((view.start_us + offset_us) / step_us) * step_us
  for (; local - offset_us <= view.end_us; local += step_us) {
    ticks.push({ us: local - offset_us, midnight: local % DAY_US === 0 })
  }
  return { step_us, ticks }
}

const two = (value: number) => String(value).padStart(2, '0')

/** `20:15`, `20:15:30`, `30.25`, `11-21`: no more than the step needs. */
export function tickLabel(tick: Tick, step_us: number, utc_offset_minutes: number): string {
  const local = new Date(tick.us / 1000 + utc_offset_minutes * 60_000)
  const date = `${two(local.getUTCMonth() + 1)}-${two(local.getUTCDate())}`
  if (step_us >= DAY_US) return date
  const minutes = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`
  if (tick.midnight) return date
  if (step_us >= MINUTE_US) return minutes
  const seconds = `${minutes}:${two(local.getUTCSeconds())}`
  if (step_us >= SECOND_US) return seconds
  const digits = step_us >= SECOND_US / 10 ? 1 : 2
  const fraction = Math.round((local.getUTCMilliseconds() / 1000) * 10 ** digits)
  return `${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}.${String(fraction).padStart(digits, '0')}`
}

/** Minutes that local time is ahead of UTC at an instant: +480 in China. */
export function utcOffsetMinutes(us: number): number {
  return -new Date(us / 1000).getTimezoneOffset()
}
