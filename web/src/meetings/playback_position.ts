/** Where a recording in a meeting stands, and how that is said. */
import { clockTime, dateTime } from '@/format'

import type { Playback } from './api'

/** Counted from its beginning. */
export function positionAt(one: Playback, now_us: number): number {
  if (one.state === 'paused') return one.position_us
  const at_us = one.position_us + Math.max(0, now_us - one.since_us)
  if (one.loop && one.length_us > 0) return at_us % one.length_us
  return Math.min(at_us, one.length_us)
}

const two = (value: number): string => String(value).padStart(2, '0')

/** 0:05, 12:30, 1:02:03. */
export function counted(length_us: number): string {
  const whole = Math.max(0, Math.floor(length_us / 1_000_000))
  const hours = Math.floor(whole / 3600)
  const rest = `${hours > 0 ? two(Math.floor((whole % 3600) / 60)) : Math.floor((whole % 3600) / 60)}:${two(whole % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}

/** Of footage the time of day when it happened; of a file how far into it. */
export function placeText(one: Playback, at_us: number): string {
  return one.start_us === null ? counted(at_us) : clockTime(one.start_us + at_us)
}

/** When it begins to be shown, in whole. */
export const beginText = (one: Playback): string => (one.start_us === null ? counted(one.length_us) : dateTime(one.start_us))
