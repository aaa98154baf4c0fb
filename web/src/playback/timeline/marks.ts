/** What of a row is drawn: neighbours closer than a pixel are joined, so that drawing stays bounded. */

import type { Bookmark, Gap, Interval } from '@/api/types'

import { xOf, type View } from './view'

export interface Bar {
  x: number
  width: number
}

export interface GapBar extends Bar {
  gap: Gap
}

/** Recorded spans as bars of at least a pixel; those that touch on screen are one. */
export function bars(spans: readonly Interval[], view: View, width: number): Bar[] {
  const result: Bar[] = []
  let last: Bar | undefined
  for (const span of spans) {
    if (span.end_us <= view.start_us || span.start_us >= view.end_us) continue
    const from = Math.max(0, xOf(view, span.start_us, width))
    const to = Math.min(width, xOf(view, span.end_us, width))
    if (last && from <= last.x + last.width + 0.5) {
      last.width = Math.max(last.width, to - last.x)
    } else {
      last = { x: from, width: Math.max(1, to - from) }
      result.push(last)
    }
  }
  return result
}

/** Gaps as bars; narrow ones of one cause that touch are one, and none is narrower than 2 pixels. */
export function gapBars(gaps: readonly Gap[], view: View, width: number): GapBar[] {
  const result: GapBar[] = []
  let last: GapBar | undefined
  for (const gap of gaps) {
    if (gap.end_us <= view.start_us || gap.start_us >= view.end_us) continue
    const from = Math.max(0, xOf(view, gap.start_us, width))
    const to = Math.min(width, xOf(view, gap.end_us, width))
    if (last && from <= last.x + last.width && last.gap.cause === gap.cause) {
      last.width = Math.max(last.width, to - last.x)
      last.gap = { ...last.gap, end_us: gap.end_us }
    } else {
      last = { x: from, width: Math.max(2, to - from), gap }
      result.push(last)
    }
  }
  return result
}

/** The bookmark nearest to a place on screen, within reach of the pointer. */
export function bookmarkNear(
  bookmarks: readonly Bookmark[],
  view: View,
  width: number,
  x: number,
  reach: number,
): Bookmark | null {
  let best: Bookmark | null = null
  let distance = reach
  for (const bookmark of bookmarks) {
    const off = Math.abs(xOf(view, bookmark.at_us, width) - x)
    if (off <= distance) {
      best = bookmark
      distance = off
    }
  }
  return best
}
