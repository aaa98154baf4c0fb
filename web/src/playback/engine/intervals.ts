/** Arithmetic of half-open time ranges; every list is sorted and free of overlaps. */

import type { Interval } from '@/api/types'

/** Sorted union; ranges closer than `tolerance_us` become one. */
export function merge(ranges: readonly Interval[], tolerance_us = 0): Interval[] {
  const sorted = ranges.filter((r) => r.end_us > r.start_us).sort((a, b) => a.start_us - b.start_us)
  const merged: Interval[] = []
  let last: Interval | undefined
  for (const range of sorted) {
    if (last && range.start_us <= last.end_us + tolerance_us) {
      last.end_us = Math.max(last.end_us, range.end_us)
    } else {
      last = { start_us: range.start_us, end_us: range.end_us }
      merged.push(last)
    }
  }
  return merged
}

/** What of `range` none of `ranges` covers. */
export function subtract(range: Interval, ranges: readonly Interval[]): Interval[] {
  const left: Interval[] = []
  let from = range.start_us
  for (const covered of merge(ranges)) {
    if (covered.end_us <= from) continue
    if (covered.start_us >= range.end_us) break
    if (covered.start_us > from) left.push({ start_us: from, end_us: covered.start_us })
    from = Math.max(from, covered.end_us)
  }
  if (from < range.end_us) left.push({ start_us: from, end_us: range.end_us })
  return left
}

/** The first position whose value is greater than `value` (`at` must not fall). */
export function upperBound(length: number, at: (position: number) => number, value: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (at(middle) <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** The range that contains `us`, or undefined. */
export function covering<T extends Interval>(ranges: readonly T[], us: number): T | undefined {
  const position = upperBound(ranges.length, (i) => ranges[i].start_us, us) - 1
  return position >= 0 && ranges[position].end_us > us ? ranges[position] : undefined
}

export function contains(ranges: readonly Interval[], us: number): boolean {
  return covering(ranges, us) !== undefined
}
