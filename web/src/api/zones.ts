/** Lines and regions of a camera, what is watched for there, and what happened (docs/http-api.md). */
import type { DeviceEvent } from './alarms'
import { apiPath, get, put } from './client'
import type { Point } from './privacy'

export const RULE_KINDS = ['line_crossing', 'wrong_way', 'intrusion', 'loitering', 'crowd', 'abandoned_object'] as const
export type RuleKind = (typeof RULE_KINDS)[number]
export type ZoneKind = 'line' | 'region'
export type Way = 'forward' | 'backward' | 'both'

export interface Rule {
  kind: RuleKind
  way?: Way | null
  heading_deg?: number | null
  seconds?: number | null
  count?: number | null
  cool_down_s: number
}

/** Day 1 is Monday; an end that is not after the start lies on the next day. */
export interface Span {
  days: number[]
  start: string
  end: string
}

/** Of the week, in which a camera's pictures are searched. */
export interface Hours {
  schedule: Span[]
  time_zone: string
}

export interface Zone {
  /** Without one it is new. */
  id?: string | null
  name: string
  kind: ZoneKind
  points: Point[]
  rules: Rule[]
  /** None: all. */
  classes: string[]
  minimum_height: number
  /** None: always. */
  schedule: Span[]
  time_zone: string
}

export interface CameraZones {
  camera_id: string
  version: number
  zones: Zone[]
  changed_us: number | null
  changed_by: string | null
  /** Whether its pictures are analysed: else nothing is told. */
  watched: boolean
}

export interface ZoneEvent extends DeviceEvent {
  zone_id: string
  zone_name: string
  clip: { start_us: number; end_us: number }
}

export const zones = {
  read: (camera_id: string): Promise<CameraZones> => get(apiPath('cameras', camera_id, 'zones')),
  write: (camera_id: string, version: number, drawn: Zone[]): Promise<CameraZones> => put(apiPath('cameras', camera_id, 'zones'), { version, zones: drawn }),
  events: (camera_id: string, limit = 20): Promise<{ items: ZoneEvent[]; next_cursor: string | null }> => get('/api/zones/events', { camera_id, limit }),
}
