/** Numbers and times as people read them, in the language now shown. */
import { locale, translate } from '@/locales'

const timeFormats = new Map<string, Intl.DateTimeFormat>()

function timeFormat(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale.value} ${name}`
  let format = timeFormats.get(key)
  if (format === undefined) {
    format = new Intl.DateTimeFormat(locale.value === 'en' ? 'en-GB' : 'zh-CN', { hourCycle: 'h23', ...options })
    timeFormats.set(key, format)
  }
  return format
}

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
const DAY = { year: 'numeric', month: '2-digit', day: '2-digit' } as const

/** 20:15:30, local time. */
export const clockTime = (at_us: number): string => timeFormat('clock', CLOCK).format(at_us / 1000)

/** 2026/11/21 20:15:30, local time. */
export const dateTime = (at_us: number): string => timeFormat('date', { ...DAY, ...CLOCK }).format(at_us / 1000)

/** 2026/11/21, local time. */
export const dayText = (at_us: number): string => timeFormat('day', DAY).format(at_us / 1000)

/** The time alone when it is today, else with the date. */
export function shortTime(at_us: number): string {
  const today = new Date()
  const at = new Date(at_us / 1000)
  return today.toDateString() === at.toDateString() ? clockTime(at_us) : dateTime(at_us)
}

/** "2026/11/21 20:15:30 – 20:16:00"; the day once where it is the same. */
export function rangeText(start_us: number, end_us: number): string {
  const sameDay = new Date(start_us / 1000).toDateString() === new Date(end_us / 1000).toDateString()
  return `${dateTime(start_us)} – ${sameDay ? clockTime(end_us) : dateTime(end_us)}`
}

/** "42 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function duration(length_ms: number): string {
  const whole = Math.max(0, Math.round(length_ms / 1000))
  const days = Math.floor(whole / 86_400)
  const hours = Math.floor((whole % 86_400) / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  const parts: string[] = []
  if (days > 0) parts.push(translate('common.days', { count: days }))
  if (hours > 0) parts.push(translate('common.hours', { count: hours }))
  if (minutes > 0 && days === 0) parts.push(translate('common.minutes', { count: minutes }))
  if (parts.length === 0 || (whole < 3600 && whole % 60 > 0)) {
    parts.push(translate('common.seconds', { count: whole % 60 }))
  }
  return parts.slice(0, 2).join(' ')
}

const BYTES = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return '—'
  let value = count
  let unit = 0
  while (value >= 1000 && unit < BYTES.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${BYTES[unit]}`
}

export function bitRate(bits_per_second: number | null | undefined): string {
  if (bits_per_second === null || bits_per_second === undefined) return '—'
  if (bits_per_second >= 1_000_000) return `${(bits_per_second / 1_000_000).toFixed(2)} Mbit/s`
  return `${Math.round(bits_per_second / 1000)} kbit/s`
}

/** "+8 h", "−42 s": how far a clock is ahead. */
export const clockOffset = (offset_us: number): string =>
  `${offset_us < 0 ? '−' : '+'}${duration(Math.abs(offset_us) / 1000)}`
