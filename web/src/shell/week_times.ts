/** Times of the week as they are edited. Day 1 is Monday. */
export interface WeekTime {
  days: number[]
  start: string
  end: string
}

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/

/** What is wrong with them, as a key below `ptz.patrols.problems`. */
export function problemOfTimes(parts: readonly WeekTime[]): 'days' | 'times' | undefined {
  if (parts.some(({ days }) => days.length === 0)) return 'days'
  return parts.some(({ start, end }) => !CLOCK.test(start) || !CLOCK.test(end)) ? 'times' : undefined
}

export const sortedTimes = (parts: readonly WeekTime[]): WeekTime[] => parts.map((part) => ({ ...part, days: [...part.days].sort((one, other) => one - other) }))
