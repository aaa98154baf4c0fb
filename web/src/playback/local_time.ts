/** Local time as people type it, and local days. */

const two = (value: number) => String(value).padStart(2, '0')

/** `2026-11-21 20:15:30` in local time. */
export function typedTime(us: number): string {
  const at = new Date(us / 1000)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/**
 * The instant that was typed, or null. The date may be left out (then it is that of `near_us`), and
 * so may the seconds; slashes, dots, Chinese date signs and full-width colons are understood.
 */
export function parseTime(text: string, near_us: number): number | null {
  const plain = text.trim().replace(/：/g, ':').replace(/[年月]/g, '-').replace(/日/g, ' ').replace(/[/.](?=\d+[/.\s-])/g, '-').replace(/[/]/g, '-')
  const match = /^(?:(\d{4})-(\d{1,2})-(\d{1,2})(?:[T\s]+|$))?(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?$/.exec(plain)
  if (!match || (match[1] === undefined && match[4] === undefined)) return null
  const near = new Date(near_us / 1000)
  const [year, month, day] = match[1]
    ? [Number(match[1]), Number(match[2]) - 1, Number(match[3])]
    : [near.getFullYear(), near.getMonth(), near.getDate()]
  const [hour, minute, second] = [4, 5, 6].map((group) => Number(match[group] ?? 0))
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0'))
  const at = new Date(year, month, day, hour, minute, second, milliseconds)
  // Date rolls 31 February over into March, and 25:00 into tomorrow: refuse instead.
  const same = at.getMonth() === month && at.getDate() === day && at.getHours() === hour && minute < 60 && second < 60
  return same ? at.getTime() * 1000 : null
}

/** The local day that holds an instant, as a half-open range. */
export function localDay(us: number): { start_us: number; end_us: number } {
  const at = new Date(us / 1000)
  const start = new Date(at.getFullYear(), at.getMonth(), at.getDate())
  const end = new Date(at.getFullYear(), at.getMonth(), at.getDate() + 1)
  return { start_us: start.getTime() * 1000, end_us: end.getTime() * 1000 }
}

/** `2026-11-21` of a local date. */
export function dayName(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}
