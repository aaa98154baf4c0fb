/** Points and ways on a plain ground. */
import type { GeoJSONSource, Map as MapLibreMap, StyleSpecification } from 'maplibre-gl'

import { boxAround, EMPTY, FIT, Marker, newMap, wedge } from '@/map/maplibre'

import type { Position } from './api'
import type { Place } from './places'

type Lines = readonly (readonly Position[])[]

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

const polygons = (places: readonly Place[]): object => ({
  type: 'FeatureCollection',
  features: places.flatMap(({ position }) => {
    const { heading_deg, view_deg } = position
    return heading_deg === null ? [] : [{ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [wedge(at(position), heading_deg, view_deg)] } }]
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
  const map: MapLibreMap = newMap(container, style(dark), words)
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
      marks = wanted.map(({ element, position }) => new Marker({ element, anchor: 'bottom' }).setLngLat(at(position)).addTo(map))
    },
    fit(positions) {
      const box = boxAround(positions.map(at))
      if (box !== undefined) map.fitBounds(box, FIT)
    },
    resize: () => map.resize(),
    close: () => map.remove(),
  }
}
