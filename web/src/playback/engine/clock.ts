/** The one clock that every camera of a group follows, and how a follower is brought back to it. */

/** Wall-clock time of the footage against the monotonic time of the machine. */
export class MasterClock {
  private anchor_us: number
  private anchor_ms: number
  private rate_ = 1
  private running_ = false

  constructor(at_us: number, now_ms: number) {
    this.anchor_us = at_us
    this.anchor_ms = now_ms
  }

  get rate(): number {
    return this.rate_
  }

  get running(): boolean {
    return this.running_
  }

  position(now_ms: number): number {
    if (!this.running_) return this.anchor_us
    return Math.round(this.anchor_us + (now_ms - this.anchor_ms) * 1000 * this.rate_)
  }

  seek(at_us: number, now_ms: number): void {
    this.anchor_us = Math.round(at_us)
    this.anchor_ms = now_ms
  }

  setRate(rate: number, now_ms: number): void {
    this.seek(this.position(now_ms), now_ms)
    this.rate_ = rate
  }

  run(now_ms: number): void {
    if (this.running_) return
    this.anchor_ms = now_ms
    this.running_ = true
  }

  hold(now_ms: number): void {
    if (!this.running_) return
    this.anchor_us = this.position(now_ms)
    this.running_ = false
  }
}

/** Nearer than this to the clock, a follower is left alone (media seconds at 1×). */
export const DEAD_BAND_S = 0.012
/** Further off than this, it is moved by a seek. */
export const SEEK_BEYOND_S = 0.35
/** The most that a follower's rate may differ, as a part of the rate. */
export const NUDGE_LIMIT = 0.15

export type Correction = { kind: 'rate'; rate: number } | { kind: 'seek' }

/**
 * What brings a follower back that is `late_s` behind the clock (negative: ahead), in media seconds.
 * Distances count in real time, since at 4× the eye sees a quarter of them.
 */
export function correction(late_s: number, rate: number): Correction {
  const late_real_s = late_s / rate
  if (Math.abs(late_real_s) > SEEK_BEYOND_S) return { kind: 'seek' }
  if (Math.abs(late_real_s) < DEAD_BAND_S) return { kind: 'rate', rate }
  // Half of what is missing within a second: quick, and too gentle to overshoot.
  const nudge = Math.max(-NUDGE_LIMIT, Math.min(NUDGE_LIMIT, late_real_s * 2))
  return { kind: 'rate', rate: rate * (1 + nudge) }
}
