/** Searching what was seen: objects, changes, and what needs a second person (docs/http-api.md). */
import { apiPath, get, patch, post, remove, request } from '@/api/client'
import { postLines } from '@/api/lines'
import type { Point } from '@/api/privacy'
import type { Page, Person } from '@/api/types'
import type { Purpose } from '@/purpose/scope'

export const OBJECT_CLASSES = ['person', 'bicycle', 'motorcycle', 'car', 'truck', 'bus', 'van', 'tricycle', 'farm_vehicle'] as const
export type ObjectClass = (typeof OBJECT_CLASSES)[number]

export const COLORS = ['black', 'grey', 'white', 'red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'purple', 'pink', 'brown'] as const
export type Color = (typeof COLORS)[number]

/** As they lie on the picture, row by row; in the middle what went nowhere. */
export const DIRECTIONS = ['up_left', 'up', 'up_right', 'left', 'stayed', 'right', 'down_left', 'down', 'down_right'] as const
export type Direction = (typeof DIRECTIONS)[number]

export const SPEEDS = ['still', 'slow', 'medium', 'fast'] as const
export type Speed = (typeof SPEEDS)[number]

/** Shares of the picture: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number]

/** A finding and how sure it is, 0 to 1. `second`: it may be that one as well. */
export interface Judged {
  value: string
  confidence: number
  second?: string | null
}

export const ATTRIBUTES = ['color', 'upper_color', 'lower_color', 'vehicle_type', 'plate', 'plate_color', 'rider'] as const
export type Attributes = Record<(typeof ATTRIBUTES)[number], Judged | null>

/** Where a camera stands (WGS-84) and where it looks. */
export interface Position {
  longitude: number
  latitude: number
  heading_deg: number | null
  view_deg: number | null
}

/** An object's way through one camera's picture, or what a checkpoint told of. */
export interface Hit {
  id: string
  source: 'passage' | 'sighting'
  camera_id: string | null
  camera_name: string
  area_path: string[]
  position: Position | null
  first_us: number
  last_us: number
  best_us: number
  class: string
  possible_classes: string[]
  confidence: number | null
  box: Box | null
  crop_url: string | null
  withheld: 'masked' | 'gone' | 'none' | null
  path: { after_ms: number; box: Box }[]
  direction: string | null
  speed: Speed | null
  attributes: Attributes
  monochrome: boolean
  /** It fits only as what it may be; `possible_why` says why. */
  possible: boolean
  possible_why: string[]
  likeness: number | null
  playback: boolean
  live: boolean
}

/** How another camera's object may be the same one. */
export interface AlsoSeen {
  gap_s: number
  distance_m: number | null
  earliest_s: number
}

/** Minutes of a camera that the answer knows nothing of. */
export interface Uncovered {
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
  why: string
}

export interface Coverage {
  items: Uncovered[]
  /** How many further stretches are not listed. */
  left_out: number
  seconds_asked: number
  seconds_indexed: number
}

export type SearchLine =
  | { type: 'search'; look: string; total_cameras: number }
  | { type: 'hit'; hit: Hit; also_seen?: AlsoSeen | null }
  | ({ type: 'coverage' } & Coverage)
  | { type: 'error'; code: string; message: string }
  | { type: 'end'; next_cursor: string | null }

/** `object`: which of those that were found in the look or photo; the first without it. */
export type Like = { passage_id: string } | { look_id: string; object?: number } | { photo_id: string; object?: number }

export interface SearchBody {
  start_us: number
  end_us: number
  area_id?: string
  camera_ids?: string[]
  classes?: string[]
  color?: string[]
  upper_color?: string[]
  lower_color?: string[]
  vehicle_type?: string[]
  plate?: { pattern: string; infix: boolean; look_alikes: boolean }
  rider?: 'yes' | 'no'
  direction?: string[]
  speed?: string[]
  zone_id?: string
  line?: { camera_id: string; points: Point[]; how?: 'forward' | 'backward' }
  region?: { camera_id: string; points: Point[] }
  min_duration_s?: number
  max_duration_s?: number
  include_possible: boolean
  like?: Like
}

/** What a standing search looks for, from when it is approved until it expires. */
export type StandingQuery = Omit<SearchBody, 'start_us' | 'end_us'>

/** An object in a picture from which one searches. */
export interface FoundObject {
  box: Box
  class: string
  confidence: number
}

/** A picture whose objects may be searched by, for an hour. */
export interface Look {
  look_id: string
  camera_id: string
  at_us: number
  objects: FoundObject[]
  expires_us: number
}

export interface Photo {
  id: string
  request_id: string
  name: string
  width: number
  height: number
  objects: FoundObject[]
  created_us: number
  created_by: Person
  expires_us: number
  url: string
}

export const REQUEST_KINDS = ['trail', 'photo', 'standing'] as const
export type RequestKind = (typeof REQUEST_KINDS)[number]
export type RequestState = 'waiting' | 'approved' | 'broken' | 'overdue' | 'refused' | 'ended' | 'expired'
export type RequestAct = 'use' | 'approve' | 'refuse' | 'end' | 'break_glass' | 'review'

/** What needs a second person. `usable` now; `can`: what the caller may do with it. */
export interface SearchRequest {
  id: string
  kind: RequestKind
  state: RequestState
  usable: boolean
  case: { id: string; number: string; title: string }
  area_id: string
  area_path: string[]
  reason: string
  query: Partial<StandingQuery> | null
  created_us: number
  created_by: Person
  expires_us: number
  decided_us: number | null
  decided_by: Person | null
  decision_note: string | null
  break_glass: {
    at_us: number
    reason: string
    review_until_us: number
    overdue: boolean
    reviewed_us: number | null
    reviewed_by: Person | null
    justified: boolean | null
    note: string | null
  } | null
  ended_us: number | null
  ended_by: Person | null
  end_note: string | null
  photos: number
  matches: number
  can: RequestAct[]
}

/** What a standing search found. */
export interface StandingMatch {
  id: string
  request_id: string
  passage_id: string
  camera_id: string
  camera_name: string
  at_us: number
  found_us: number
  likeness: number | null
  alarm_id: string
  hit: Hit | null
}

/** `coverage`: what it did not see while it was in force; null on further pages. */
export interface MatchPage extends Page<StandingMatch> {
  coverage: Coverage | null
}

export interface TrailPoint {
  id: string
  passage_id: string
  camera_id: string
  camera_name: string
  area_path: string[]
  position: Position | null
  first_us: number
  last_us: number
  best_us: number
  class: string
  note: string
  added_us: number
  added_by: Person
  crop_url: string | null
  withheld: 'masked' | 'gone' | null
  playback: boolean
}

/** A way across cameras, in the order of time; `attached_us`: the case keeps it. */
export interface Trail {
  id: string
  case_id: string
  request_id: string
  title: string
  created_us: number
  created_by: Person
  expires_us: number | null
  attached_us: number | null
  usable: boolean
  hidden_points: number
  points: TrailPoint[]
}

export const CHANGE_KINDS = ['appeared', 'gone', 'moved', 'changed'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/** The region looked different from then on. */
export interface Moment {
  at_us: number
  kind: ChangeKind
  before_us: number
  after_us: number
  strength: number
}

export interface ChangeBody {
  camera_id: string
  start_us: number
  end_us: number
  points: Point[]
}

/** Minutes that were not looked at. */
export interface ChangeGap {
  start_us: number
  end_us: number
  cause: string
}

export type ChangeLine =
  /** Others are looked for: its turn comes. */
  | { type: 'waiting' }
  | { type: 'progress'; done_us: number }
  | ({ type: 'gap' } & ChangeGap)
  | ({ type: 'moment' } & Moment)
  | { type: 'error'; code: string; message: string }
  | { type: 'end' }

const PAGE = 60

export interface Further {
  cursor: string
  look: string
}

export const search = {
  objects: (body: SearchBody, purpose: Purpose | undefined, onLine: (line: SearchLine) => void, signal: AbortSignal, further?: Further): Promise<void> =>
    postLines('/api/search', { ...body, limit: PAGE, ...(further ?? { purpose }) }, onLine, signal),
  look: (body: { camera_id: string; at_us?: number; box?: Box }, purpose: Purpose | undefined, signal?: AbortSignal): Promise<Look> =>
    post('/api/search/looks', { ...body, purpose }, signal),
  passage: (id: string, purpose: Purpose | undefined): Promise<Hit> =>
    get(apiPath('search', 'passages', id), { purpose_code: purpose?.code, purpose_text: purpose?.text, case_id: purpose?.case_id }),
  /** The picture in which the objects of a look were found. */
  lookPictureUrl: (id: string): string => `${apiPath('search', 'looks', id)}/picture`,
  /** Before and after; the reason is the request's. */
  alsoSeen: (passage: string, body: { request_id: string; within_s: number }, onLine: (line: SearchLine) => void, signal: AbortSignal): Promise<void> =>
    postLines(`${apiPath('search', 'passages', passage)}/also-seen`, { ...body, both_ways: true }, onLine, signal),
  change: (body: ChangeBody, purpose: Purpose | undefined, onLine: (line: ChangeLine) => void, signal: AbortSignal): Promise<void> =>
    postLines('/api/search/change', { ...body, purpose }, onLine, signal),
}

export const photos = {
  list: (request_id: string): Promise<Page<Photo>> => get('/api/search/photos', { request_id }),
  remove: (id: string): Promise<void> => remove(apiPath('search', 'photos', id)),
  /** The file as it is; the gateway finds the people and vehicles in it. */
  upload: (request_id: string, file: File): Promise<Photo> =>
    request('POST', '/api/search/photos', { query: { request_id, name: file.name.slice(0, 200) }, raw: file }),
}

export interface RequestForm {
  kind: RequestKind
  case_id: string
  reason: string
  expires_us: number
  query?: StandingQuery
}

export const requests = {
  list: (query: { kind?: string; state?: string; cursor?: string | number | undefined } = {}, signal?: AbortSignal): Promise<Page<SearchRequest>> =>
    get('/api/search/requests', { ...query }, signal),
  create: (form: RequestForm): Promise<SearchRequest> => post('/api/search/requests', form),
  approve: (id: string, note: string): Promise<SearchRequest> => post(apiPath('search', 'requests', id, 'approve'), note === '' ? {} : { note }),
  refuse: (id: string, note: string): Promise<SearchRequest> => post(apiPath('search', 'requests', id, 'refuse'), { note }),
  end: (id: string, note: string): Promise<SearchRequest> => post(apiPath('search', 'requests', id, 'end'), note === '' ? {} : { note }),
  breakGlass: (id: string, reason: string): Promise<SearchRequest> => post(apiPath('search', 'requests', id, 'break-glass'), { reason }),
  review: (id: string, justified: boolean, note: string): Promise<SearchRequest> =>
    post(apiPath('search', 'requests', id, 'review'), { justified, note }),
  matches: (id: string, cursor?: string | number, signal?: AbortSignal): Promise<MatchPage> =>
    get(apiPath('search', 'requests', id, 'matches'), { cursor }, signal),
}

export const trails = {
  list: (query: { case_id?: string; request_id?: string }): Promise<Page<Trail>> => get('/api/search/trails', { ...query }),
  create: (body: { request_id: string; title: string }): Promise<Trail> => post('/api/search/trails', body),
  read: (id: string): Promise<Trail> => get(apiPath('search', 'trails', id)),
  rename: (id: string, title: string): Promise<Trail> => patch(apiPath('search', 'trails', id), { title }),
  addPoint: (id: string, passage_id: string, note = ''): Promise<Trail> => post(apiPath('search', 'trails', id, 'points'), { passage_id, note }),
  removePoint: (id: string, point: string): Promise<void> => remove(apiPath('search', 'trails', id, 'points', point)),
  /** The case keeps it, and the footage of its points. */
  attach: (id: string): Promise<Trail> => post(apiPath('search', 'trails', id, 'attach')),
  remove: (id: string): Promise<void> => remove(apiPath('search', 'trails', id)),
}
