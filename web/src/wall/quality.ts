/** Which stream a tile asks for. */
import type { Grid, Quality } from '@/api/types'

import { ARRANGEMENTS } from './grids'

/**
 * What is asked of the gateway for a tile that is set to `quality`.
 *
 * `auto` means the main stream where the picture is large (maximised, the large tile of 1+5 and
 * 1+7, up to four tiles), else the gateway's choice, which is the sub-stream where there is one:
 * 25 main streams would fill a 100 Mbit/s line and no PC of a duty desk decodes them.
 */
export function askedQuality(quality: Quality, grid: Grid, index: number, maximised: boolean): Quality {
  if (quality !== 'auto') return quality
  const { cells } = ARRANGEMENTS[grid]
  const isLarge = maximised || cells.length <= 4 || (cells[index]?.span ?? 1) > 1
  return isLarge ? 'main' : 'auto'
}
