/** Incidents: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, patch, post, put, remove, request, urlOf } from '@/api/client'
import type { Page } from '@/api/types'

export const INCIDENT_STATES = ['open', 'assigned', 'accepted', 'arrived', 'answered', 'closed', 'merged'] as const
export type IncidentState = (typeof INCIDENT_STATES)[number]
export const LIGHTS = ['red', 'yellow', 'green', 'paused'] as const
export type Light = (typeof LIGHTS)[number]
export const PRIORITIES = ['normal', 'urgent', 'emergency'] as const
export type Priority = (typeof PRIORITIES)[number]
export const ORIGINS = ['alarm', 'search', 'live', 'call', 'field', 'external'] as const
export type Origin = (typeof ORIGINS)[number]
export const RESULTS = ['settled', 'unfounded', 'passed_on', 'not_possible'] as const

/** The steps, in the order in which they are offered. */
export const STEPS = [
  'accept', 'arrive', 'reply', 'answer', 'close', 'rate', 'assign', 'up', 'urge', 'send_back', 'extend', 'suspend', 'resume', 'refuse', 'ask', 'hand_over',
  'return', 'reopen', 'change', 'split', 'merge', 'comment', 'attach',
] as const
export type StepKind = (typeof STEPS)[number]

export interface Named {
  id: string
  name: string
}

export interface Limit {
  us: number
  working: boolean
  yellow_us: number
}

export interface Category extends Named {
  position: number
  arrive: Limit | null
  resolve: Limit | null
  retired: boolean
}

export interface Unit extends Named {
  area_id: string
  area_names: string[]
  parent_id: string | null
  category_ids: string[] | null
  phone: string | null
  members: Named[]
  under_way: number
}

export interface UnitForm {
  name: string
  area_id: string
  parent_id: string | null
  category_ids: string[] | null
  phone: string | null
  member_ids: string[]
}

export interface Incident {
  id: string
  number: string
  version: number
  origin: Origin
  origin_id: string
  state: IncidentState
  light: Light
  title: string
  words: string
  category: Named
  priority: Priority
  area_id: string
  area_names: string[]
  place: string
  longitude: number | null
  latitude: number | null
  camera_id: string | null
  happened_us: number | null
  reporter_name: string
  reporter_phone: string | null
  opened_us: number
  opened_name: string
  unit: Named | null
  handler_name: string | null
  arrived_us: number | null
  answered_us: number | null
  closed_us: number | null
  result: string | null
  result_words: string | null
  rating: number | null
  feedback: string | null
  suspended: boolean
  asked: { what: 'extend' | 'suspend'; us: number | null; words: string; name: string; at_us: number } | null
  reply_due_us: number | null
  urges: number
  arrive_due_us: number | null
  resolve_due_us: number | null
  yellow_us: number | null
  red_us: number | null
  arrived_late: boolean | null
  resolved_late: boolean | null
  merged_into: string | null
  split_from: string | null
  steps: StepKind[]
}

export interface Step {
  at_us: number
  kind: string
  by_name: string
  unit: Named | null
  words: string
  detail: Record<string, unknown>
}

export interface Attached {
  id: string
  kind: 'file' | 'footage' | 'snapshot' | 'export'
  subject_id: string
  name: string
  media_type: string | null
  has_thumbnail: boolean
  start_us: number | null
  end_us: number | null
  at_us: number
  by_name: string
  may_look: boolean
}

export interface IncidentDetail extends Incident {
  history: Step[]
  attachments: Attached[]
  merged: Named[]
}

export interface AttachmentForm {
  kind: Attached['kind']
  subject_id: string
  name?: string
  start_us?: number
  end_us?: number
}

export interface IncidentForm {
  origin: Origin
  origin_id: string
  area_id: string
  title: string
  words?: string
  category_id?: string | null
  priority?: Priority
  place?: string
  camera_id?: string | null
  happened_us?: number | null
  reporter_name?: string
  reporter_phone?: string
  unit_id?: string | null
  attachments?: AttachmentForm[]
}

export interface IncidentQuery {
  under_way?: boolean | undefined
  light?: Light | undefined
  late?: boolean | undefined
  category_id?: string | undefined
  unit_id?: string | undefined
  own_units?: boolean | undefined
  own_reports?: boolean | undefined
  area_id?: string | undefined
  query?: string | undefined
  order?: 'opened' | 'due'
  cursor?: string | number | undefined
  limit?: number
}

export type IncidentPage = Page<Incident> & { looked_back_to_us: number | null; lights: Record<Light, number> | null }

/** What the events tell of an incident. */
export type IncidentNews = Pick<
  Incident,
  'id' | 'number' | 'version' | 'state' | 'light' | 'title' | 'priority' | 'area_id' | 'camera_id' | 'longitude' | 'latitude' | 'opened_us' | 'closed_us' | 'yellow_us' | 'red_us'
>

export interface StatisticsRow extends Named {
  opened: number
  closed: number
  on_time: number
  average_arrive_us: number | null
  average_resolve_us: number | null
  average_rating: number | null
  under_way: number
  red: number
}

export interface StatisticsQuery {
  by: 'area' | 'category' | 'unit'
  start_us: number
  end_us: number
  area_id?: string | undefined
}

export type Post = 'leader' | 'agent' | 'handler'
export const POSTS: readonly Post[] = ['leader', 'agent', 'handler']

export interface Shift {
  id: string
  area_id: string
  area_names: string[]
  unit: Named | null
  user: Named
  post: Post
  start_us: number
  end_us: number
  phone: string
  note: string
}

export interface ShiftForm {
  area_id: string
  unit_id: string | null
  user_id: string
  post: Post
  start_us: number
  end_us: number
  phone: string
  note: string
}

export const SEAT_STATES = ['ready', 'talking', 'writing', 'away'] as const
export type SeatState = (typeof SEAT_STATES)[number]

export interface Seat {
  user: Named
  area_id: string
  area_names: string[]
  state: SeatState
  since_us: number
}

export const incidents = {
  list: (query: IncidentQuery, signal?: AbortSignal): Promise<IncidentPage> => get('/api/incidents', { ...query }, signal),
  read: (id: string): Promise<IncidentDetail> => get(apiPath('incidents', id)),
  open: (form: IncidentForm): Promise<Incident> => post('/api/incidents', form),
  step: (id: string, step: Record<string, unknown>): Promise<{ version: number; incident_id: string | null }> => post(apiPath('incidents', id, 'steps'), step),
  statistics: (query: StatisticsQuery): Promise<Page<StatisticsRow>> => get('/api/incident-statistics', { ...query }),
  sheetUrl: (query: StatisticsQuery): string => urlOf('/api/incident-statistics/sheet', { ...query }),
}

export const categories = {
  list: (): Promise<Page<Category>> => get('/api/incident-categories'),
  add: (form: { name: string; arrive: Limit | null; resolve: Limit | null }): Promise<Category> => post('/api/incident-categories', form),
  change: (id: string, form: Partial<Omit<Category, 'id'>>): Promise<Category> => patch(apiPath('incident-categories', id), form),
}

export const units = {
  list: (): Promise<Page<Unit>> => get('/api/units'),
  add: (form: UnitForm): Promise<Unit> => post('/api/units', form),
  change: (id: string, form: Partial<UnitForm>): Promise<Unit> => patch(apiPath('units', id), form),
  remove: (id: string): Promise<void> => remove(apiPath('units', id)),
}

export const duty = {
  list: (query: { start_us: number; end_us: number; area_id?: string | undefined }): Promise<Page<Shift>> => get('/api/duty', { ...query }),
  put: (id: string | null, form: ShiftForm): Promise<void> => put(apiPath('duty', id ?? 'new'), form),
  remove: (id: string): Promise<void> => remove(apiPath('duty', id)),
  seats: (): Promise<Page<Seat>> => get('/api/agents'),
  sit: (area_id: string, state: SeatState | null): Promise<void> => put('/api/agents/self', { area_id, state }),
}

/** Sends a file that is to be attached; gives what attaches it. */
export async function bring(file: File): Promise<AttachmentForm> {
  const sent = await request<{ id: string; name: string }>('POST', '/api/attachments', { query: { name: file.name }, raw: file })
  return { kind: 'file', subject_id: sent.id, name: sent.name }
}
