/** A tour: layouts shown one after the other, each for its dwell time; pausable. */

export interface TourClock {
  /** Index of the step now shown. */
  step: number
  /** Milliseconds this step has been shown, pauses left out. */
  shown_ms: number
  paused: boolean
}

export const startOfTour = (): TourClock => ({ step: 0, shown_ms: 0, paused: false })

/** The clock `elapsed_ms` later. A screen that slept does not rush through what it missed. */
export function advance(clock: TourClock, elapsed_ms: number, steps: number, dwell_s: number): TourClock {
  if (clock.paused || steps === 0) return clock
  const shown_ms = clock.shown_ms + elapsed_ms
  if (shown_ms < dwell_s * 1000) return { ...clock, shown_ms }
  return { ...clock, step: (clock.step + 1) % steps, shown_ms: 0 }
}

/** By hand to the next (1) or previous (-1) step. */
export function stepBy(clock: TourClock, by: 1 | -1, steps: number): TourClock {
  return steps === 0 ? clock : { ...clock, step: (clock.step + by + steps) % steps, shown_ms: 0 }
}
