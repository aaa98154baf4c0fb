/** The map's own calls (docs/map.md). */
import { get, urlOf } from '@/api/client'

import type { CoordinateSystem } from './coordinates'

export type PlacedState = 'live' | 'away' | 'idle' | 'off'

export interface PlacedCamera {
  id: string
  name: string
  longitude: number | null
  latitude: number | null
  heading_deg: number | null
  view_deg: number | null
  state: PlacedState
}

export interface MapGround {
  tiles: { coordinates: CoordinateSystem; largest_zoom: number; attribution: string } | null
}

/** Somebody on duty in the field. */
export interface Worker {
  user_id: string
  name: string
  longitude: number | null
  latitude: number | null
  accuracy_m: number | null
  at_us: number | null
}

export interface Outlines {
  type: 'FeatureCollection'
  features: { type: 'Feature'; properties: { name: string }; geometry: { type: string; coordinates: unknown[] } }[]
}

export const countyMap = {
  ground: (): Promise<MapGround> => get('/api/map'),
  cameras: (): Promise<{ items: PlacedCamera[] }> => get('/api/map/cameras'),
  outlines: (): Promise<Outlines> => get('/api/map/outlines'),
  workers: (): Promise<{ items: Worker[] }> => get('/api/field/workers'),
  /** For MapLibre, which fills in the braces. */
  tilesUrl: (): string => new URL(`${urlOf('/api/map/tiles')}/{z}/{x}/{y}`, window.location.href).href.replace(/%7B/g, '{').replace(/%7D/g, '}'),
}
