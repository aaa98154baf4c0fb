/**
 * What is looked for: as the form holds it, as the address names it, as the gateway is asked.
 *
 * The address can be sent to a colleague. It holds no reason, and no picture but that of a passage,
 * which the gateway shows only to whom it may.
 */
import { nowUs } from '@/api/clock'
import type { Point } from '@/api/privacy'
import { lastDays, type Period } from '@/shell/period'
import { VEHICLE_TYPES } from '@/sightings/api'

import { COLORS, DIRECTIONS, OBJECT_CLASSES, SPEEDS, type Like, type SearchBody, type StandingQuery } from './api'

/** A line that was crossed, or a region that was entered, on the picture of one camera. */
export interface Drawn {
  kind: 'line' | 'region'
  camera_id: string
  points: Point[]
  /** Of a line: which way; either without. */
  how?: 'forward' | 'backward'
}

/** A picture that is searched by. */
export interface Model {
  like: Like
  /** What the page shows of it. */
  picture: string | null
  words: string
}

export interface Wanted {
  period: Period
  areaId: string
  cameraIds: string[]
  classes: string[]
  color: string[]
  upperColor: string[]
  lowerColor: string[]
  vehicleType: string[]
  plate: string
  infix: boolean
  lookAlikes: boolean
  rider: '' | 'yes' | 'no'
  direction: string[]
  speed: string[]
  zoneId: string
  drawn: Drawn | null
  minDuration_s: number | null
  maxDuration_s: number | null
  includePossible: boolean
  model: Model | null
}

export const MOST_CAMERAS = 200
const MOST_POINTS = 32
const LONGEST_S = 86_400

export const nothing = (): Wanted => ({
  period: lastDays(1), areaId: '', cameraIds: [], classes: [], color: [], upperColor: [], lowerColor: [], vehicleType: [], plate: '', infix: false,
  lookAlikes: true, rider: '', direction: [], speed: [], zoneId: '', drawn: null, minDuration_s: null, maxDuration_s: null, includePossible: true,
  model: null,
})

/** Classes that wear clothes, that have a body of paint, that somebody rides. */
export const fits = (wanted: Wanted): { clothes: boolean; vehicle: boolean; twoWheeler: boolean } => {
  const { classes } = wanted
  const any = (...some: string[]): boolean => classes.length === 0 || some.some((one) => classes.includes(one))
  return {
    clothes: any('person', 'bicycle', 'motorcycle'),
    vehicle: any('car', 'truck', 'bus', 'van', 'tricycle', 'farm_vehicle'),
    twoWheeler: any('bicycle', 'motorcycle'),
  }
}

/** What does not fit the classes is not looked for. */
export function withClasses(wanted: Wanted, classes: string[]): Wanted {
  const next = { ...wanted, classes }
  const { clothes, vehicle, twoWheeler } = fits(next)
  return {
    ...next,
    ...(clothes ? {} : { upperColor: [], lowerColor: [] }),
    ...(vehicle ? {} : { color: [], vehicleType: [], plate: '' }),
    ...(twoWheeler ? {} : { rider: '' as const }),
  }
}

/** What the gateway is asked for; a period without an end ends now. */
export function bodyOf(wanted: Wanted): SearchBody {
  const body: SearchBody = {
    start_us: Math.round(wanted.period.start_us),
    end_us: Math.round(wanted.period.end_us ?? nowUs()),
    include_possible: wanted.includePossible,
  }
  const lists = {
    camera_ids: wanted.cameraIds, classes: wanted.classes, color: wanted.color, upper_color: wanted.upperColor, lower_color: wanted.lowerColor,
    vehicle_type: wanted.vehicleType, direction: wanted.direction, speed: wanted.speed,
  }
  for (const [name, value] of Object.entries(lists)) if (value.length > 0) body[name as keyof typeof lists] = [...value]
  if (wanted.areaId !== '') body.area_id = wanted.areaId
  const pattern = wanted.plate.trim()
  if (pattern !== '') body.plate = { pattern, infix: wanted.infix, look_alikes: wanted.lookAlikes }
  if (wanted.rider !== '') body.rider = wanted.rider
  if (wanted.zoneId !== '') body.zone_id = wanted.zoneId
  if (wanted.drawn !== null) {
    const { kind, camera_id, points, how } = wanted.drawn
    if (kind === 'line') body.line = { camera_id, points, ...(how === undefined ? {} : { how }) }
    else body.region = { camera_id, points }
  }
  if (wanted.minDuration_s !== null) body.min_duration_s = wanted.minDuration_s
  if (wanted.maxDuration_s !== null) body.max_duration_s = wanted.maxDuration_s
  if (wanted.model !== null) body.like = wanted.model.like
  return body
}

/** What is watched for from now on; null where that would be everything, or a picture that is gone within the hour. */
export function standingOf(body: SearchBody): StandingQuery | null {
  const { start_us: _start, end_us: _end, ...query } = body
  const { include_possible: _possible, area_id: _area, camera_ids: _cameras, ...narrow } = query
  return Object.keys(narrow).length === 0 || (query.like !== undefined && 'look_id' in query.like) ? null : query
}

const pointsText = (points: readonly Point[]): string => points.map(([x, y]) => `${round(x)},${round(y)}`).join(';')
const round = (value: number): number => Math.round(value * 10_000) / 10_000

/** The address of a search: absolute times, so that everybody is shown the same. */
export function addressOf(wanted: Wanted): Record<string, string> {
  const body = bodyOf(wanted)
  const query: Record<string, string> = { from: String(body.start_us), to: String(body.end_us) }
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') query[name] = String(value)
  }
  add('area', body.area_id)
  add('cameras', body.camera_ids?.join(','))
  add('class', body.classes?.join(','))
  add('color', body.color?.join(','))
  add('upper', body.upper_color?.join(','))
  add('lower', body.lower_color?.join(','))
  add('type', body.vehicle_type?.join(','))
  add('plate', body.plate?.pattern)
  if (body.plate?.infix === true) add('infix', 1)
  if (body.plate?.look_alikes === false) add('exact', 1)
  add('rider', body.rider)
  add('direction', body.direction?.join(','))
  add('speed', body.speed?.join(','))
  add('zone', body.zone_id)
  if (wanted.drawn !== null) {
    const { kind, camera_id, points, how } = wanted.drawn
    add('drawn', [kind, camera_id, pointsText(points), ...(how === undefined ? [] : [how])].join('~'))
  }
  add('min', body.min_duration_s)
  add('max', body.max_duration_s)
  if (!wanted.includePossible) add('sure', 1)
  if (body.like !== undefined && 'passage_id' in body.like) add('like', body.like.passage_id)
  return query
}

type Query = Readonly<Record<string, string | null | (string | null)[] | undefined>>

/** What an address asks for; what it says wrongly, or beyond measure, is left out. */
export function wantedOf(query: Query): Wanted {
  const wanted = nothing()
  const text = (name: string): string => {
    const value = query[name]
    return typeof value === 'string' ? value : ''
  }
  const list = (name: string, known: readonly string[]): string[] => [...new Set(text(name).split(','))].filter((one) => known.includes(one))
  const ids = (value: string): string[] => [...new Set(value.split(','))].filter((one) => /^[\w-]{1,64}$/.test(one))
  const seconds = (name: string): number | null => {
    const value = text(name) === '' ? NaN : Number(text(name))
    return Number.isFinite(value) && value >= 0 && value <= LONGEST_S ? value : null
  }
  const [from, to] = [Number(text('from')), Number(text('to'))]
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from > 0 && to > from) wanted.period = { start_us: from, end_us: to, days: null }
  wanted.areaId = ids(text('area'))[0] ?? ''
  wanted.cameraIds = ids(text('cameras')).slice(0, MOST_CAMERAS)
  wanted.classes = list('class', OBJECT_CLASSES)
  wanted.color = list('color', COLORS)
  wanted.upperColor = list('upper', COLORS)
  wanted.lowerColor = list('lower', COLORS)
  wanted.vehicleType = list('type', VEHICLE_TYPES)
  wanted.plate = text('plate').slice(0, 20).trim()
  wanted.infix = wanted.plate !== '' && text('infix') === '1'
  wanted.lookAlikes = !(wanted.plate !== '' && text('exact') === '1')
  const rider = text('rider')
  wanted.rider = rider === 'yes' || rider === 'no' ? rider : ''
  wanted.direction = list('direction', DIRECTIONS)
  wanted.speed = list('speed', SPEEDS)
  wanted.zoneId = ids(text('zone'))[0] ?? ''
  wanted.drawn = drawnOf(text('drawn'))
  wanted.minDuration_s = seconds('min')
  wanted.maxDuration_s = seconds('max')
  wanted.includePossible = text('sure') !== '1'
  const like = text('like')
  if (/^\d{1,20}$/.test(like)) wanted.model = { like: { passage_id: like }, picture: null, words: '' }
  return wanted
}

function drawnOf(text: string): Drawn | null {
  const [kind, camera_id, points, how, ...rest] = text.split('~')
  if ((kind !== 'line' && kind !== 'region') || camera_id === undefined || !/^[\w-]{1,64}$/.test(camera_id) || rest.length > 0) return null
  const read = (points ?? '').split(';').map((one) => one.split(',').map((part) => (part === '' ? NaN : Number(part))))
  const inside = read.every((point) => point.length === 2 && point.every((value) => value >= 0 && value <= 1))
  if (!inside || (kind === 'line' ? read.length !== 2 : read.length < 3 || read.length > MOST_POINTS)) return null
  const drawn: Drawn = { kind, camera_id, points: read as Point[] }
  if (how === undefined) return drawn
  return kind === 'line' && (how === 'forward' || how === 'backward') ? { ...drawn, how } : null
}
