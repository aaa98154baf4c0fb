/** Where a live MSE tile should be: near the newest picture, but never starved. */

export interface EdgePolicy {
  /** Play this far behind the newest picture. */
  target_s: number
  /** Beyond this, jump. */
  most_s: number
}

export type EdgeAction = { kind: 'none' } | { kind: 'seek'; to_s: number } | { kind: 'rate'; rate: number }

export const LIVE_EDGE: EdgePolicy = { target_s: 0.25, most_s: 1.5 }

/**
 * What to do about a playing position, given the buffered ranges in seconds (ascending).
 *
 * Seeks into the newest range when the position lies in a hole or too far behind; catches up by a
 * slightly higher rate when a little behind.
 */
export function followEdge(
  position_s: number,
  ranges: readonly { start_s: number; end_s: number }[],
  policy: EdgePolicy = LIVE_EDGE,
): EdgeAction {
  const newest = ranges[ranges.length - 1]
  if (newest === undefined) return { kind: 'none' }
  const behind_s = newest.end_s - position_s
  const inside = position_s >= newest.start_s - 0.05
  if (!inside || behind_s > policy.most_s || behind_s < -0.5) {
    return { kind: 'seek', to_s: Math.max(newest.start_s, newest.end_s - policy.target_s) }
  }
  if (behind_s > policy.target_s * 2) return { kind: 'rate', rate: 1.1 }
  return { kind: 'rate', rate: 1 }
}
