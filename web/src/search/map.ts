/** MapLibre without any foreign host: no tiles, no glyphs, no sprites; what the county has is points. */
import 'maplibre-gl/dist/maplibre-gl.css'

import * as maplibre from 'maplibre-gl/dist/maplibre-gl-csp'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-csp-worker?worker&url'
import type { GeoJSONSource, LngLatBoundsLike, Map as MapLibreMap, StyleSpecification } from 'maplibre-gl'

import type { Position } from './api'
import type { Place } from './places'

maplibre.setWorkerUrl(workerUrl)

type Lines = readonly (readonly Position[])[]

const EMPTY = { type: 'FeatureCollection' as const, features: [] }
const FIT = { padding: 60, maxZoom: 16.5, duration: 0 }

function style(dark: boolean): StyleSpecification {
  const line = dark ? '#4a94ff' : '#1463d1'
  return {
    version: 8,
    sources: {
      cameras: { type: 'geojson', data: EMPTY },
      views: { type: 'geojson', data: EMPTY },
      way: { type: 'geojson', data: EMPTY },
      maybe: { type: 'geojson', data: EMPTY },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': dark ? '#0d131c' : '#eef2f6' } },
      { id: 'views', type: 'fill', source: 'views', paint: { 'fill-color': line, 'fill-opacity': 0.13 } },
      { id: 'cameras', type: 'circle', source: 'cameras', paint: { 'circle-radius': 3.5, 'circle-color': dark ? '#5a6a80' : '#8795a6' } },
      { id: 'maybe', type: 'line', source: 'maybe', paint: { 'line-color': dark ? '#f0ad3e' : '#8f5a00', 'line-width': 1.5, 'line-dasharray': [2, 3] } },
      { id: 'way', type: 'line', source: 'way', layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': line, 'line-width': 4 } },
    ],
  }
}

const at = ({ longitude, latitude }: Position): [number, number] => [longitude, latitude]

const METRES_A_DEGREE = 111_320
const VIEW_M = 60

/** The wedge in front of a camera, of which it is known where it looks. */
function wedge({ longitude, latitude, heading_deg, view_deg }: Position): [number, number][] | null {
  if (heading_deg === null) return null
  const wide = Math.min(170, view_deg ?? 60)
  const ring: [number, number][] = [[longitude, latitude]]
  for (let step = 0; step <= 8; step += 1) {
    const angle = ((heading_deg - wide / 2 + (wide * step) / 8) * Math.PI) / 180
    const dx = (Math.sin(angle) * VIEW_M) / (METRES_A_DEGREE * Math.max(0.1, Math.cos((latitude * Math.PI) / 180)))
    ring.push([longitude + dx, latitude + (Math.cos(angle) * VIEW_M) / METRES_A_DEGREE])
  }
  return [...ring, [longitude, latitude]]
}

const polygons = (places: readonly Place[]): object => ({
  type: 'FeatureCollection',
  features: places.flatMap(({ position }) => {
    const ring = wedge(position)
    return ring === null ? [] : [{ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [ring] } }]
  }),
})

const points = (places: readonly Place[]): object => ({
  type: 'FeatureCollection',
  features: places.map(({ id, position }) => ({ type: 'Feature', properties: { id }, geometry: { type: 'Point', coordinates: at(position) } })),
})

const strokes = (lines: Lines): object => ({
  type: 'FeatureCollection',
  features: lines
    .filter((line) => line.length > 1)
    .map((line) => ({ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: line.map(at) } })),
})

export interface PointMap {
  showCameras(places: readonly Place[]): void
  showWays(way: Lines, maybe: Lines): void
  /** The elements stand at their places until others are given. */
  showMarks(marks: readonly { element: HTMLElement; position: Position }[]): void
  fit(positions: readonly Position[]): void
  resize(): void
  close(): void
}

/** @throws where the browser cannot draw maps. */
export function openMap(container: HTMLElement, dark: boolean, words: Record<string, string>): PointMap {
  const map: MapLibreMap = new maplibre.Map({
    container, style: style(dark), attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, center: [113, 31], zoom: 8, maxZoom: 19,
    fadeDuration: 0, locale: words,
  })
  map.touchZoomRotate.disableRotation()
  map.keyboard.disableRotation()
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), 'top-right')
  map.addControl(new maplibre.ScaleControl({ unit: 'metric' }), 'bottom-left')
  let marks: { remove(): unknown }[] = []
  let ready = false
  const waiting: (() => void)[] = []
  const whenReady = (act: () => void): void => {
    if (ready) act()
    else waiting.push(act)
  }
  map.once('load', () => {
    ready = true
    waiting.splice(0).forEach((act) => act())
  })
  const set = (source: string, data: object): void => whenReady(() => (map.getSource(source) as GeoJSONSource | undefined)?.setData(data as never))

  return {
    showCameras(places) {
      set('cameras', points(places))
      set('views', polygons(places))
    },
    showWays(way, maybe) {
      set('way', strokes(way))
      set('maybe', strokes(maybe))
    },
    showMarks(wanted) {
      for (const mark of marks) mark.remove()
      marks = wanted.map(({ element, position }) => new maplibre.Marker({ element, anchor: 'bottom' }).setLngLat(at(position)).addTo(map))
    },
    fit(positions) {
      const [first] = positions
      if (first === undefined) return
      const longitudes = positions.map((one) => one.longitude)
      const latitudes = positions.map((one) => one.latitude)
      const bounds: LngLatBoundsLike = [[Math.min(...longitudes), Math.min(...latitudes)], [Math.max(...longitudes), Math.max(...latitudes)]]
      map.fitBounds(bounds, FIT)
    },
    resize: () => map.resize(),
    close: () => map.remove(),
  }
}
