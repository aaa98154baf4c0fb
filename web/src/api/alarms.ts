/** What devices tell, alarms, switches, and the diagnosis of one camera (docs/http-api.md). */
import { apiPath, get, post, put, remove } from './client'
import { postLines } from './lines'
import type { Page } from './types'

export const EVENT_KINDS = [
  'motion', 'tamper', 'line_crossing', 'intrusion', 'wrong_way', 'loitering', 'crowd', 'abandoned_object', 'digital_input', 'relay_output', 'sound', 'video_loss', 'storage_fault', 'device_fault', 'emergency',
  'position', 'other',
] as const
export type EventKind = (typeof EVENT_KINDS)[number]

export interface DeviceEvent {
  id: string
  platform_id: string | null
  platform_name: string | null
  camera_id: string | null
  camera_name: string | null
  channel: string | null
  kind: EventKind
  source: string | null
  begin_us: number
  end_us: number | null
  state: 'open' | 'ended' | 'pulse'
  count: number
  detail: Record<string, unknown>
}

export const ALARM_KINDS = [
  'network_down', 'camera_offline', 'camera_refused', 'platform_offline', 'platform_refused', 'clock_drift', 'storage_fault', 'video_loss', 'tamper',
  'line_crossing', 'intrusion', 'wrong_way', 'loitering', 'crowd', 'abandoned_object', 'digital_input', 'motion', 'sound', 'device_fault', 'emergency', 'standing_match', 'review_overdue', 'analysis_failed', 'analysis_lagging',
  'storage_full_soon', 'footage_short', 'camera_health',
] as const
export type AlarmKind = (typeof ALARM_KINDS)[number]

/** The most urgent first. */
export const PRIORITIES = ['emergency', 'high', 'medium', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

export interface Alarm {
  id: string
  kind: AlarmKind
  priority: Priority
  state: 'open' | 'ended'
  begin_us: number
  end_us: number | null
  area_id: string | null
  area_path: string[]
  camera_id: string | null
  camera_name: string | null
  platform_id: string | null
  platform_name: string | null
  switch_id: string | null
  switch_name: string | null
  network: string | null
  /** The alarm that this one is part of. */
  folded_into: string | null
  /** How many cameras' alarms stand in this one. */
  folded: number
  /** How often it was told, or came back after it was over; and when the last time. */
  times: number
  last_us: number
  /** Since when it is on again. */
  again_us: number | null
  detail: Record<string, unknown>
  acknowledged_us: number | null
  acknowledged_by: string | null
  note: string | null
  snoozed_until_us: number | null
  snoozed_by: string | null
  escalated_us: number | null
  escalated_by: string | null
  escalated_words: string | null
  /** A rule wants no sound of it. */
  silent: boolean
}

/** A rule tells the person who is signed in. */
export interface AlarmNotice {
  id: string
  rule_name: string
  /** Above 0: nobody of the step before acknowledged in time. */
  step: number
  count: number
  told_us: number
  /** null: `count` alarms were held through quiet hours. */
  alarm: Alarm | null
}

export interface SwitchForm {
  name: string
  area_id: string
  networks: string[]
  camera_ids: string[]
  management_host?: string | null
  management_port?: number | null
}

export interface NetworkSwitch extends SwitchForm {
  id: string
  area_path: string[]
  cameras: number
  failed: number
  state: 'up' | 'down' | 'unknown'
  since_us: number | null
  management: { reachable: boolean; at_us: number } | null
}

export interface AlarmQuery {
  state?: string | undefined
  acknowledged?: boolean | undefined
  snoozed?: boolean | undefined
  kind?: string | undefined
  priority?: string | undefined
  camera_id?: string | undefined
  area_id?: string | undefined
  folded_into?: string | undefined
  limit?: number
  cursor?: string | number | undefined
}

export interface EventQuery {
  camera_id?: string | undefined
  area_id?: string | undefined
  platform_id?: string | undefined
  kind?: string | undefined
  open?: boolean | undefined
  start_us?: number | undefined
  end_us?: number | undefined
  limit?: number
  cursor?: string | number | undefined
}

export const alarms = {
  list: (query: AlarmQuery, signal?: AbortSignal): Promise<Page<Alarm> & { open: number }> => get('/api/alarms', { ...query }, signal),
  acknowledge: (id: string, note: string): Promise<Alarm> => post(apiPath('alarms', id, 'acknowledge'), note === '' ? {} : { note }),
  escalate: (id: string, words: string): Promise<Alarm> => post(apiPath('alarms', id, 'escalate'), { words }),
  snooze: (id: string, until_us: number | null): Promise<Alarm> => post(apiPath('alarms', id, 'snooze'), { until_us }),
}

export const deviceEvents = {
  list: (query: EventQuery, signal?: AbortSignal): Promise<Page<DeviceEvent>> => get('/api/device-events', { ...query }, signal),
}

export const switches = {
  list: (area_id?: string): Promise<Page<NetworkSwitch>> => get('/api/switches', { area_id }),
  create: (body: SwitchForm): Promise<NetworkSwitch> => post('/api/switches', body),
  update: (id: string, body: SwitchForm): Promise<NetworkSwitch> => put(apiPath('switches', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('switches', id)),
}

export type DiagnosisResult = 'ok' | 'warn' | 'fail' | 'skip'

/** Figures beside `step`, `result` and `code` depend on the step. */
export interface DiagnosisStep extends Record<string, unknown> {
  step: string
  result: DiagnosisResult
  code: string
  took_ms?: number
}

export const diagnose = (cameraId: string, onStep: (step: DiagnosisStep) => void, signal: AbortSignal): Promise<void> =>
  postLines(apiPath('cameras', cameraId, 'diagnosis'), {}, onStep, signal)
