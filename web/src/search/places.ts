/** Where the county's cameras stand, for the ground of the map. */
import { cameras as api } from '@/api'

import type { Position } from './api'

export interface Place {
  id: string
  position: Position
}

const PAGE = 500
/** A whole county is ten thousand cameras; the map needs what is around, not everything. */
const PAGES = 4

let asked: Promise<Place[]> | null = null

/** Those whose position is known; asked for once. Nothing where they cannot be had: the map does without. */
export function nearCameras(): Promise<Place[]> {
  asked ??= load().catch(() => {
    asked = null
    return []
  })
  return asked
}

async function load(): Promise<Place[]> {
  const places: Place[] = []
  let cursor: string | number | undefined
  for (let page = 0; page < PAGES; page += 1) {
    const { items, next_cursor } = await api.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
    for (const { id, longitude, latitude, heading_deg, view_deg } of items) {
      if (longitude != null && latitude != null) places.push({ id, position: { longitude, latitude, heading_deg: heading_deg ?? null, view_deg: view_deg ?? null } })
    }
    cursor = next_cursor ?? undefined
    if (cursor === undefined) break
  }
  return places
}
