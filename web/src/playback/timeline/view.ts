/** Which stretch of time the timeline shows: zoom and pan, as plain arithmetic. */

import type { Interval } from '@/api/types'

export const SECOND_US = 1_000_000
export const DAY_US = 86_400 * SECOND_US
export const NARROWEST_US = SECOND_US
export const WIDEST_US = 31 * DAY_US

export type View = Interval

export function span(view: View): number {
  return view.end_us - view.start_us
}

export function xOf(view: View, us: number, width: number): number {
  return ((us - view.start_us) / span(view)) * width
}

export function timeAt(view: View, x: number, width: number): number {
  return view.start_us + (x / width) * span(view)
}

/** A view of `span_us` around an instant that keeps its place in it (0 left … 1 right). */
export function around(us: number, span_us: number, place = 0.5): View {
  const bounded = Math.max(NARROWEST_US, Math.min(WIDEST_US, span_us))
  const start_us = Math.round(us - bounded * place)
  return { start_us, end_us: start_us + Math.round(bounded) }
}

/** Zoom about an instant, which stays where it is on screen; factor > 1 shows more. */
export function zoomAbout(view: View, us: number, factor: number): View {
  return around(us, span(view) * factor, (us - view.start_us) / span(view))
}

export function panBy(view: View, delta_us: number): View {
  return { start_us: Math.round(view.start_us + delta_us), end_us: Math.round(view.end_us + delta_us) }
}

/** Keep the view from showing more than a little of the future. */
export function withinReach(view: View, now_us: number): View {
  const over_us = view.start_us + span(view) * 0.85 - now_us
  return over_us > 0 ? panBy(view, -over_us) : view
}

/**
 * The view that follows a moving playhead: unchanged while the playhead is well inside, turned over
 * like a page when it leaves.
 */
export function following(view: View, us: number): View {
  const place = (us - view.start_us) / span(view)
  if (place >= 0 && place <= 0.96) return view
  if (place > 0.96 && place < 1.5) return around(us, span(view), 0.1)
  if (place < 0 && place > -0.5) return around(us, span(view), 0.9)
  return around(us, span(view))
}

/** Two fingers: the instants under them stay under them. */
export function pinched(at: [number, number], x: [number, number], width: number): View | null {
  const distance = x[1] - x[0]
  if (Math.abs(distance) < 8) return null
  const us_per_x = (at[1] - at[0]) / distance
  if (us_per_x <= 0) return null
  const start_us = at[0] - x[0] * us_per_x
  return around(start_us, us_per_x * width, 0)
}
