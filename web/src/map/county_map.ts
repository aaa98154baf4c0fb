/** The county on a map: its cameras, incidents and workers, and what is drawn with the pointer. */
import type { GeoJSONSource, Map as MapLibreMap, MapGeoJSONFeature, MapMouseEvent, StyleSpecification } from 'maplibre-gl'

import type { Light } from '@/incidents/api'

import type { MapGround, Outlines, PlacedCamera, PlacedState } from './api'
import { metresBetween, ringOf, type Circle } from './circle'
import { fromGround, ontoGround, type CoordinateSystem, type LongitudeLatitude } from './coordinates'
import { makeImages, type Colours } from './images'
import { boxAround, EMPTY, FIT, newMap, wedge } from './maplibre'

/** From here on single cameras stand for themselves, however many. */
const CLUSTERED_TO_ZOOM = 14
const NAMES_FROM_ZOOM = 15
const SMALLEST_RADIUS_M = 10

export interface Pin {
  id: string
  kind: Light | 'worker'
  longitude: number
  latitude: number
}

export interface CountyMapEvents {
  camera(id: string): void
  pin(id: string, kind: Pin['kind']): void
  /** While it is drawn, and at its end. */
  circle(circle: Circle, done: boolean): void
  /** A camera was dragged to there. */
  placed(id: string, longitude: number, latitude: number): void
}

export interface CountyMap {
  showOutlines(outlines: Outlines): void
  showCameras(cameras: readonly PlacedCamera[]): void
  changeStates(changed: ReadonlyMap<string, PlacedState>): void
  choose(camera_id: string | null): void
  showPins(pins: readonly Pin[]): void
  showCircle(circle: Circle | null): void
  showTrack(points: readonly LongitudeLatitude[]): void
  fit(places: readonly LongitudeLatitude[]): void
  goTo(place: LongitudeLatitude): void
  /** The next two presses are its middle and its edge. */
  drawCircle(): void
  stopDrawing(): void
  /** Whether cameras can be dragged. */
  setPlacing(placing: boolean): void
  /** The place below a point of the window; without one, the middle of the map. */
  placeBelow(client?: { x: number; y: number }): LongitudeLatitude
  resize(): void
  close(): void
}

type Feature = { type: 'Feature'; properties: Record<string, unknown>; geometry: { type: string; coordinates: unknown } }

const collection = (features: Feature[]): object => ({ type: 'FeatureCollection', features })
const point = (coordinates: LongitudeLatitude, properties: Record<string, unknown>): Feature => ({ type: 'Feature', properties, geometry: { type: 'Point', coordinates } })

/** Few different pictures: exact to a hundred, then by tens and hundreds. */
const COUNT = ['get', 'point_count']
const COUNTED = [
  'case',
  ['<', COUNT, 100], ['to-string', COUNT],
  ['<', COUNT, 1000], ['concat', ['to-string', ['*', 10, ['floor', ['/', COUNT, 10]]]], '+'],
  ['concat', ['to-string', ['*', 100, ['floor', ['/', COUNT, 100]]]], '+'],
]

function styleOf(ground: MapGround, tilesUrl: string, dark: boolean, colours: Colours): StyleSpecification {
  const { tiles } = ground
  const geojson = { type: 'geojson', data: EMPTY } as const
  return {
    version: 8,
    sources: {
      ...(tiles === null ? {} : { tiles: { type: 'raster', tiles: [tilesUrl], tileSize: 256, maxzoom: tiles.largest_zoom } }),
      outlines: geojson, 'area-names': geojson, views: geojson, circle: geojson, track: geojson, pins: geojson,
      cameras: {
        type: 'geojson', data: EMPTY, promoteId: 'id', cluster: true, clusterMaxZoom: CLUSTERED_TO_ZOOM, clusterRadius: 48,
        clusterProperties: { away: ['+', ['case', ['==', ['get', 'state'], 'away'], 1, 0]] },
      },
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': dark ? '#0d131c' : '#eef2f6' } },
      ...(tiles === null ? [] : [{ id: 'tiles', type: 'raster', source: 'tiles', paint: dark ? { 'raster-brightness-max': 0.75, 'raster-saturation': -0.2 } : {} }]),
      { id: 'areas', type: 'fill', source: 'outlines', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': dark ? '#151f2c' : '#ffffff', 'fill-opacity': 0.85 } },
      { id: 'outlines', type: 'line', source: 'outlines', paint: { 'line-color': dark ? '#45566d' : '#a5b1c0', 'line-width': 1.2 } },
      { id: 'area-names', type: 'symbol', source: 'area-names', layout: { 'icon-image': ['concat', 'area:', ['get', 'name']] } },
      { id: 'views', type: 'fill', source: 'views', minzoom: CLUSTERED_TO_ZOOM, paint: { 'fill-color': colours.accent, 'fill-opacity': 0.18 } },
      { id: 'circle-area', type: 'fill', source: 'circle', paint: { 'fill-color': colours.accent, 'fill-opacity': 0.12 } },
      { id: 'circle', type: 'line', source: 'circle', paint: { 'line-color': colours.accent, 'line-width': 2 } },
      { id: 'track', type: 'line', source: 'track', layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': colours.yellow, 'line-width': 4 } },
      {
        id: 'clusters', type: 'symbol', source: 'cameras', filter: ['has', 'point_count'],
        layout: { 'icon-image': ['concat', 'cluster:', COUNTED, ':', ['case', ['>', ['get', 'away'], 0], 'away', '']], 'icon-allow-overlap': true },
      },
      {
        id: 'cameras', type: 'symbol', source: 'cameras', filter: ['!', ['has', 'point_count']],
        layout: { 'icon-image': ['concat', 'camera:', ['get', 'state'], ['get', 'chosen']], 'icon-allow-overlap': true },
      },
      {
        id: 'names', type: 'symbol', source: 'cameras', filter: ['!', ['has', 'point_count']], minzoom: NAMES_FROM_ZOOM,
        layout: { 'icon-image': ['concat', 'name:', ['get', 'name']], 'icon-anchor': 'top', 'icon-offset': [0, 9], 'icon-padding': 3, 'symbol-sort-key': ['case', ['==', ['get', 'chosen'], ''], 1, 0] },
      },
      { id: 'pins', type: 'symbol', source: 'pins', layout: { 'icon-image': ['concat', 'pin:', ['get', 'kind']], 'icon-anchor': 'bottom', 'icon-allow-overlap': true } },
    ] as StyleSpecification['layers'],
  }
}

/** @throws where the browser cannot draw maps. */
export function openCountyMap(
  container: HTMLElement, ground: MapGround, tilesUrl: string, dark: boolean, colours: Colours, words: Record<string, string>, events: CountyMapEvents,
): CountyMap {
  const system: CoordinateSystem = ground.tiles?.coordinates ?? 'wgs84'
  const onto = (longitude: number, latitude: number): LongitudeLatitude => ontoGround(system, [longitude, latitude])
  const from = ({ lng, lat }: { lng: number; lat: number }): LongitudeLatitude => fromGround(system, [lng, lat])
  const map: MapLibreMap = newMap(container, styleOf(ground, tilesUrl, dark, colours), words, ground.tiles?.attribution)
  makeImages(map, colours)
  let cameras = new Map<string, PlacedCamera>()
  let chosen: string | null = null
  let placing = false
  let dragged: string | null = null
  let drawing: { middle: LongitudeLatitude | null } | null = null
  let ready = false
  const waiting: (() => void)[] = []
  map.once('load', () => {
    ready = true
    waiting.splice(0).forEach((act) => act())
  })
  const source = (name: string): GeoJSONSource | undefined => map.getSource<GeoJSONSource>(name)
  const set = (name: string, features: Feature[]): void => {
    const act = (): void => void source(name)?.setData(collection(features) as never)
    if (ready) act()
    else waiting.push(act)
  }

  const featureOf = ({ id, name, state }: PlacedCamera, place: LongitudeLatitude): Feature => point(place, { id, name, state, chosen: id === chosen ? ':chosen' : '' })

  function drawCameras(): void {
    const [points, views]: [Feature[], Feature[]] = [[], []]
    for (const camera of cameras.values()) {
      if (camera.longitude === null || camera.latitude === null) continue
      const place = onto(camera.longitude, camera.latitude)
      points.push(featureOf(camera, place))
      if (camera.heading_deg !== null) {
        views.push({ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [wedge(place, camera.heading_deg, camera.view_deg)] } })
      }
    }
    set('cameras', points)
    set('views', views)
  }

  /** Without sending all the others to the worker again. */
  function change(id: string, key: string, value: unknown): void {
    if (ready && cameras.get(id)?.longitude != null) source('cameras')?.updateData({ update: [{ id, addOrUpdateProperties: [{ key, value }] }] })
  }

  const found = (event: MapMouseEvent, layers: string[]): MapGeoJSONFeature | undefined => (ready ? map.queryRenderedFeatures(event.point, { layers })[0] : undefined)

  function circleTo(event: MapMouseEvent, done: boolean): void {
    if (drawing?.middle == null) return
    const circle = { middle: drawing.middle, radius_m: Math.max(SMALLEST_RADIUS_M, metresBetween(drawing.middle, from(event.lngLat))) }
    if (done) stopDrawing()
    events.circle(circle, done)
  }

  function stopDrawing(): void {
    drawing = null
    map.getCanvas().style.cursor = ''
  }

  async function openCluster(feature: MapGeoJSONFeature): Promise<void> {
    const zoom = await source('cameras')?.getClusterExpansionZoom(feature.properties['cluster_id'] as number)
    if (zoom !== undefined && feature.geometry.type === 'Point') map.easeTo({ center: feature.geometry.coordinates as [number, number], zoom: zoom + 0.2, duration: 250 })
  }

  map.on('click', (event) => {
    if (drawing !== null) {
      if (drawing.middle === null) drawing.middle = from(event.lngLat)
      else circleTo(event, true)
      return
    }
    const feature = found(event, ['pins', 'cameras', 'clusters'])
    if (feature === undefined) return
    if (feature.layer.id === 'pins') events.pin(String(feature.properties['id']), feature.properties['kind'] as Pin['kind'])
    else if (feature.layer.id === 'cameras') events.camera(String(feature.properties['id']))
    else void openCluster(feature).catch(() => undefined)
  })
  map.on('mousemove', (event) => {
    if (dragged !== null) {
      const camera = cameras.get(dragged)
      const [longitude, latitude] = from(event.lngLat)
      if (camera !== undefined) cameras.set(dragged, { ...camera, longitude, latitude })
      source('cameras')?.updateData({ update: [{ id: dragged, newGeometry: { type: 'Point', coordinates: [event.lngLat.lng, event.lngLat.lat] } }] })
    } else if (drawing !== null) {
      map.getCanvas().style.cursor = 'crosshair'
      circleTo(event, false)
    } else if (!map.isMoving()) {
      map.getCanvas().style.cursor = found(event, ['pins', 'cameras', 'clusters']) === undefined ? '' : placing ? 'move' : 'pointer'
    }
  })
  map.on('mousedown', (event) => {
    const feature = placing && drawing === null ? found(event, ['cameras']) : undefined
    if (feature === undefined) return
    event.preventDefault()
    dragged = String(feature.properties['id'])
  })
  map.on('mouseup', (event) => {
    if (dragged === null) return
    const id = dragged
    dragged = null
    const [longitude, latitude] = from(event.lngLat)
    events.placed(id, longitude, latitude)
  })

  return {
    showOutlines({ features }) {
      const shown = features.map((one) => ({ ...one, geometry: { ...one.geometry, coordinates: moved(one.geometry.coordinates, onto) } }))
      set('outlines', shown)
      set('area-names', shown.flatMap(({ properties, geometry }) => (properties.name === '' || !geometry.type.endsWith('Polygon') ? [] : [point(middleOf(geometry.coordinates), properties)])))
    },
    showCameras(all) {
      cameras = new Map(all.map((camera) => [camera.id, camera]))
      drawCameras()
    },
    changeStates(changed) {
      for (const [id, state] of changed) {
        const camera = cameras.get(id)
        if (camera === undefined || camera.state === state) continue
        cameras.set(id, { ...camera, state })
        change(id, 'state', state)
      }
    },
    choose(id) {
      if (chosen === id) return
      if (chosen !== null) change(chosen, 'chosen', '')
      chosen = id
      if (id !== null) change(id, 'chosen', ':chosen')
    },
    showPins: (pins) => set('pins', pins.map(({ id, kind, longitude, latitude }) => point(onto(longitude, latitude), { id, kind }))),
    showCircle(circle) {
      const ring = circle === null ? [] : ringOf(circle).map(([longitude, latitude]) => onto(longitude, latitude))
      set('circle', circle === null ? [] : [{ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [ring] } }])
    },
    showTrack(points) {
      const line = points.map(([longitude, latitude]) => onto(longitude, latitude))
      set('track', line.length < 2 ? [] : [{ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: line } }])
    },
    fit(places) {
      const box = boxAround(places.map(([longitude, latitude]) => onto(longitude, latitude)))
      if (box !== undefined) map.fitBounds(box, FIT)
    },
    goTo([longitude, latitude]) {
      // What is told of it stands below on a telephone, and beside elsewhere.
      const { clientWidth, clientHeight } = container
      const offset: [number, number] = clientWidth < 700 ? [0, -0.22 * clientHeight] : [0, 0]
      map.easeTo({ center: onto(longitude, latitude) as [number, number], zoom: Math.max(map.getZoom(), NAMES_FROM_ZOOM + 0.5), duration: 250, offset })
    },
    drawCircle() {
      drawing = { middle: null }
      map.getCanvas().style.cursor = 'crosshair'
    },
    stopDrawing,
    setPlacing(on) {
      placing = on
    },
    placeBelow(client) {
      if (client === undefined) return from(map.getCenter())
      const box = container.getBoundingClientRect()
      return from(map.unproject([client.x - box.left, client.y - box.top]))
    },
    resize: () => void map.resize(),
    close: () => map.remove(),
  }
}

type Nested = unknown[]

/** The same shape of positions, each brought onto the ground. */
function moved(coordinates: Nested, onto: (longitude: number, latitude: number) => LongitudeLatitude): Nested {
  if (typeof coordinates[0] === 'number') return [...onto(coordinates[0], coordinates[1] as number)]
  return coordinates.map((one) => moved(one as Nested, onto))
}

/** Where an area's name stands: the middle of the box around it. */
function middleOf(coordinates: Nested): LongitudeLatitude {
  const [southWest, northEast] = boxAround(positionsOf(coordinates)) ?? [[0, 0], [0, 0]]
  return [(southWest[0] + northEast[0]) / 2, (southWest[1] + northEast[1]) / 2]
}

const positionsOf = (coordinates: Nested): LongitudeLatitude[] =>
  typeof coordinates[0] === 'number' ? [coordinates as unknown as LongitudeLatitude] : coordinates.flatMap((one) => positionsOf(one as Nested))
