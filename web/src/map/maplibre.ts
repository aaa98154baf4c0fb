/** MapLibre without any foreign host: no glyphs, no sprites; its worker is the gateway's own. */
import 'maplibre-gl/dist/maplibre-gl.css'

import * as maplibre from 'maplibre-gl/dist/maplibre-gl-csp'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-csp-worker?worker&url'
import type { Map as MapLibreMap, StyleSpecification } from 'maplibre-gl'

import { placeAt } from './circle'
import type { LongitudeLatitude } from './coordinates'

maplibre.setWorkerUrl(workerUrl)

export const { Marker } = maplibre

const VIEW_M = 60

/**
 * A flat map with buttons and a scale. `words` are MapLibre's own, translated.
 * @throws where the browser cannot draw maps.
 */
export function newMap(container: HTMLElement, style: StyleSpecification, words: Record<string, string>, attribution = ''): MapLibreMap {
  const map: MapLibreMap = new maplibre.Map({
    container, style, dragRotate: false, pitchWithRotate: false, touchPitch: false, center: [113, 31], zoom: 8, maxZoom: 19, fadeDuration: 0, locale: words,
    attributionControl: attribution === '' ? false : { compact: false, customAttribution: escaped(attribution) },
  })
  map.touchZoomRotate.disableRotation()
  map.keyboard.disableRotation()
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), 'top-right')
  map.addControl(new maplibre.ScaleControl({ unit: 'metric' }), 'bottom-left')
  return map
}

/** MapLibre takes it for HTML. */
const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

/** The wedge in front of a camera that looks `heading_deg` from north and sees `view_deg`. */
export function wedge(place: LongitudeLatitude, heading_deg: number, view_deg: number | null): LongitudeLatitude[] {
  const wide = Math.min(170, view_deg ?? 60)
  const arc = Array.from({ length: 9 }, (_, step) => placeAt(place, VIEW_M, heading_deg - wide / 2 + (wide * step) / 8))
  return [place, ...arc, place]
}

export const EMPTY = { type: 'FeatureCollection' as const, features: [] }

/** How a map is moved to what it shows. */
export const FIT = { padding: 60, maxZoom: 16.5, duration: 0 }

/** The corners of the box around them; undefined around nothing. */
export function boxAround(places: readonly LongitudeLatitude[]): [[number, number], [number, number]] | undefined {
  if (places.length === 0) return undefined
  let [west, south, east, north] = [180, 90, -180, -90]
  for (const [longitude, latitude] of places) {
    west = Math.min(west, longitude)
    south = Math.min(south, latitude)
    east = Math.max(east, longitude)
    north = Math.max(north, latitude)
  }
  return [[west, south], [east, north]]
}
