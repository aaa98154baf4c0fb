/**
 * Which stream a picture of this height deserves: the gateway's rule (docs/http-api.md), with slack
 * on the way back, so that a tile at the border does not go to and fro.
 */

/** A smaller stream that is enlarged by more than half looks soft. */
const ENLARGED_AT_MOST = 1.5
const SLACK = 0.8
/** Asked with this height the gateway has decided already. */
const SAME_HEIGHT = 0.1

export interface Sizes {
  /** What plays now. */
  variant: string | null
  /** In device pixels: as it is shown, and as the gateway was last asked. */
  shown_px: number
  asked_px: number
  main_px: number | null
  sub_px: number | null
  has_sub: boolean
}

/** The other stream where it fits better by now, well beyond doubt; null: as it is. */
export function betterStream({ variant, shown_px, asked_px, main_px, sub_px, has_sub }: Sizes): 'main' | 'sub' | null {
  if (!has_sub || shown_px <= 0 || Math.abs(shown_px - asked_px) < asked_px * SAME_HEIGHT) return null
  const most_px = sub_px === null ? null : sub_px * ENLARGED_AT_MOST
  if (variant === 'sub') return most_px !== null && shown_px > most_px && (main_px === null || main_px > (sub_px ?? 0)) ? 'main' : null
  if (variant !== 'main') return null
  // How high the sub-stream is the gateway finds out; half the height is worth the question.
  return shown_px < (most_px === null ? asked_px / 2 : most_px * SLACK) ? 'sub' : null
}
