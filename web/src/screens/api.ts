/** Big screens and the figures of the four goals: their shapes and calls (docs/http-api.md). */
import type { Priority } from '@/api/alarms'
import { apiPath, get, post, put, remove } from '@/api/client'

export const WIDGET_KINDS = ['live', 'map', 'goals', 'incidents', 'alarms', 'meetings', 'title'] as const
export type WidgetKind = (typeof WIDGET_KINDS)[number]

export interface Place {
  x: number
  y: number
  width: number
  height: number
}

export interface Widget extends Place {
  kind: WidgetKind
  camera_ids: string[]
  /** All cameras of this area, in place of a list. Absent on screens of older days. */
  area_id?: string | null
  dwell_s: number
  text: string
}

export interface Scene {
  name: string
  widgets: Widget[]
}

export interface AlarmSwitch {
  scene: number
  priority: Priority
  hold_s: number
}

export interface ScreenForm {
  name: string
  area_id: string
  scenes: Scene[]
  tour_s: number | null
  alarm: AlarmSwitch | null
}

export interface ScreenSummary {
  id: string
  name: string
  area_id: string
  area_names: string[]
  version: number
  changed_us: number
  changed_by: string
  may_change: boolean
}

export type BigScreen = ScreenSummary & ScreenForm

export interface Goals {
  at_us: number
  coverage: { villages: number; covered: number }
  sharing: { above: number; above_online: number; below: number; below_online: number }
  availability: { total: number; live: number; away: number; idle: number; to_record: number; recording: number }
  control: { today: number; today_with_purpose: number; month: number; month_with_purpose: number }
}

export const screens = {
  list: (): Promise<{ items: ScreenSummary[] }> => get('/api/screens'),
  read: (id: string): Promise<BigScreen> => get(apiPath('screens', id)),
  add: (body: ScreenForm): Promise<BigScreen> => post('/api/screens', body),
  write: (id: string, body: ScreenForm & { version: number }): Promise<BigScreen> => put(apiPath('screens', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('screens', id)),
}

export const readGoals = (): Promise<Goals> => get('/api/goals', { utc_offset_minutes: -new Date().getTimezoneOffset() })
