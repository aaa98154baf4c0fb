/** What a screen shows, as it is saved: the layout plus what is peculiar to this screen. */
import type { Grid, LayoutDocument, Quality, TileDocument } from '@/api/types'

import { isGrid, tileCount } from './grids'

export type Tiles = (TileDocument | null)[]

/** What `PUT /api/wall/{screen}` keeps. */
export interface ScreenDocument extends LayoutDocument {
  maximised: number | null
  layout_id: string | null
  tour_id: string | null
}

const QUALITIES: readonly Quality[] = ['main', 'sub', 'auto']

function readTile(value: unknown): TileDocument | null {
  if (typeof value !== 'object' || value === null) return null
  const { camera_id, quality } = value as Partial<TileDocument>
  if (typeof camera_id !== 'string' || camera_id === '') return null
  return { camera_id, quality: quality !== undefined && QUALITIES.includes(quality) ? quality : 'auto' }
}

/** Exactly as many tiles as the grid has: cut, or filled with empty ones. */
export function fitted(tiles: readonly (TileDocument | null)[], grid: Grid): Tiles {
  const fit: Tiles = tiles.slice(0, tileCount(grid))
  while (fit.length < tileCount(grid)) fit.push(null)
  return fit
}

/**
 * A document from the gateway, which may be of an older console or another make.
 *
 * Null when it is no layout at all; what is odd inside one becomes an empty tile.
 */
export function readLayout(value: unknown): LayoutDocument | null {
  if (typeof value !== 'object' || value === null) return null
  const { grid, tiles } = value as { grid?: unknown; tiles?: unknown }
  if (!isGrid(grid) || !Array.isArray(tiles)) return null
  return { grid, tiles: fitted(tiles.map(readTile), grid) }
}

export function readScreen(value: unknown): ScreenDocument | null {
  const layout = readLayout(value)
  if (layout === null) return null
  const { maximised, layout_id, tour_id } = value as Record<string, unknown>
  return {
    ...layout,
    maximised:
      typeof maximised === 'number' && Number.isInteger(maximised) && layout.tiles[maximised] != null ? maximised : null,
    layout_id: typeof layout_id === 'string' ? layout_id : null,
    tour_id: typeof tour_id === 'string' ? tour_id : null,
  }
}

/**
 * Tiles moved to another grid: none is lost that the new grid has room for.
 *
 * Cameras keep their places where these exist; the others take free places in order.
 */
export function regrid(tiles: Tiles, grid: Grid): { tiles: Tiles; left_over: number } {
  const fit = fitted(tiles, grid)
  let left_over = 0
  for (const tile of tiles.slice(tileCount(grid))) {
    if (tile === null) continue
    const free = fit.indexOf(null)
    if (free < 0) left_over += 1
    else fit[free] = tile
  }
  return { tiles: fit, left_over }
}

/** Tile `from` put on `to`; what was there goes the other way. */
export function swapped(tiles: Tiles, from: number, to: number): Tiles {
  const next = tiles.slice()
  next[from] = tiles[to] ?? null
  next[to] = tiles[from] ?? null
  return next
}
