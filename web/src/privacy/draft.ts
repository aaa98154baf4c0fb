/** Masks while they are drawn. */
import type { Mask } from '@/api/privacy'
import { rounded } from '@/drawing/shapes'

export const MOST_MASKS = 32

/** As they are sent. */
export const sent = (masks: readonly Mask[]): Mask[] => masks.map(({ name, points }) => ({ name: name.trim(), points: rounded(points) }))
