/** Shapes of docs/http-api.md. Times are UTC microseconds since 1970. */
import type { AssistNews } from '@/assist/api'
import type { IncidentNews } from '@/incidents/api'
import type { NoticeNews } from '@/noticeboard/api'
import type { Alarm, AlarmNotice, DeviceEvent } from './alarms'
import type { Ptz } from './ptz'
import type { Hours } from './zones'

export type Right =
  | 'live'
  | 'playback'
  | 'export'
  | 'configure'
  | 'audit'
  | (string & {})

export type SignInMethod = 'password' | 'totp' | 'recovery_code' | 'oidc' | 'pin'

export interface Session {
  id: string
  user: { id: string; name: string; display_name: string }
  rights: Right[]
  system_admin: boolean
  must_change_password: boolean
  must_enrol_totp?: boolean
  method?: SignInMethod
  /** The duty desk that this browser is registered as. */
  desk?: { id: string; name: string } | null
  expires_us?: number
  version: string
}

/** The trees along which the same cameras are ordered. */
export type Axis = 'area' | 'department' | 'police' | 'platform'

export interface Area {
  id: string
  parent_id: string | null
  axis: Axis
  name: string
  code: string | null
  child_count: number
  camera_count: number
}

export type SourceStateName = 'live' | 'connecting' | 'offline' | 'refused' | 'idle'

/** A place in the queue for the transcoder. */
export interface QueuePlace {
  position: number
  length: number
}

export interface VariantState {
  state: SourceStateName
  since_us: number
  cause?: string | null
  /** What is wrong, as an English line; `fault` is the same as a code. */
  detail?: string | null
  fault?: string | null
  retry_at_us?: number | null
  codec?: string | null
  width?: number | null
  height?: number | null
  frames_per_second?: number | null
  bitrate_bps?: number | null
  gop_s?: number | null
  audio_codec?: string | null
  has_b_frames?: boolean | null
  recording: boolean
  viewers: number
  /** How far the camera's clock runs ahead of its footage's times, while nobody has accepted it. */
  clock_offset_us?: number | null
  /** Of a variant that the transcoder makes, while it waits for a place. */
  queue?: QueuePlace | null
}

export interface Restream {
  id: string
  camera_id: string
  variant: string
  addresses: string[]
  user_name: string
  created_us: number
  expires_us: number
}

export interface CreatedRestream {
  id: string
  url: string
  expires_us: number
  addresses: string[]
}

export type VariantName = 'main' | 'sub'
export type Transport = 'tcp' | 'udp' | 'auto'
export type RecordMode = 'continuous' | 'off'

export interface Camera {
  id: string
  name: string
  /** What people file it under. */
  number: string | null
  area_id: string
  area_path: string[]
  places: { area_id: string; axis: Axis; names: string[] }[]
  enabled: boolean
  record: RecordMode
  /** Whether its pictures are searched; auto: while it is recorded. */
  analysis: 'auto' | 'on' | 'off'
  analysis_hours: Hours | null
  transport: Transport
  retention_days: number | null
  retention_bytes: number | null
  longitude: number | null
  latitude: number | null
  heading_deg: number | null
  view_deg: number | null
  main_url: string
  sub_url: string | null
  has_password: boolean
  rights: Right[]
  states: { main?: VariantState; sub?: VariantState; h264?: VariantState }
  /** The device or platform that brings it, and its code there. */
  platform_id: string | null
  channel: string | null
  /** What can be asked of it: ptz, presets, talk, recordings, … */
  capabilities: string[]
}

export interface CameraEdit {
  name: string
  number?: string | null
  area_id: string
  place_ids?: string[]
  main_url: string
  sub_url?: string | null
  username?: string
  password?: string
  transport: Transport
  record: RecordMode
  analysis?: 'auto' | 'on' | 'off'
  analysis_hours?: Hours | null
  retention_days?: number | null
  retention_bytes?: number | null
  longitude?: number | null
  latitude?: number | null
  heading_deg?: number | null
  view_deg?: number | null
  enabled: boolean
}

export interface CameraTest {
  ok: boolean
  code: string
  line: string
  video?: { codec: string; width: number; height: number; frames_per_second: number | null } | null
}

export interface Page<Item> {
  items: Item[]
  next_cursor?: string | number | null
  total?: number
}

export type Quality = 'main' | 'sub' | 'auto'

export interface LiveSession {
  session_id: string
  shard: string
  variant: string
  transport: 'webrtc' | 'mse'
  whep_url: string
  mse_url: string
  transcoded: boolean
  queue: QueuePlace | null
}

export interface Bookmark {
  id: string
  camera_id: string
  at_us: number
  end_us: number | null
  note: string
  author: string
  created_us: number
}

/** A half-open range of wall-clock time. */
export interface Interval {
  start_us: number
  end_us: number
}

export interface Gap extends Interval {
  cause: string
  detail?: string | null
}

/** Footage that was imported, fetched from the device into a gap, or borrowed from it by who played it. */
export interface AddedSpan extends Interval {
  kind: 'import' | 'backfill' | 'borrowed'
}

export interface Timeline {
  camera_id: string
  now_us: number
  spans: Interval[]
  /** Which parts of the spans are not the gateway's own recording. */
  added: AddedSpan[]
  gaps: Gap[]
  bookmarks: Bookmark[]
  first_us: number | null
}

/** What the camera's own device holds of a range. */
export interface DeviceRecordings {
  state: 'known' | 'none' | 'unavailable'
  fault: string
  detail: string
  recordings: Interval[]
}

/** A stretch that is being fetched from a device because somebody plays it. */
export interface LentStretch extends Interval {
  state: 'fetching' | 'fetched' | 'nothing' | 'failed' | 'ended'
  until_us: number
  fault: string
  detail: string
}

export interface PlaybackSession {
  session_id: string
  server: string
  ticket: string
  cameras: { camera_id: string; base_url: string }[]
}

export type Grid = '1x1' | '2x2' | '3x3' | '4x4' | '5x5' | '1+5' | '1+7'

export interface TileDocument {
  camera_id: string
  quality: Quality
}

export interface LayoutDocument {
  grid: Grid
  tiles: (TileDocument | null)[]
}

export interface Layout {
  id: string
  name: string
  shared: boolean
  owner: string
  document: LayoutDocument
}

export interface TourDocument {
  dwell_s: number
  steps: { layout_id: string }[]
}

export interface Tour {
  id: string
  name: string
  shared: boolean
  owner: string
  document: TourDocument
}

/** A camera whose footage will not be kept as long as it must be. */
export interface Breach {
  camera_id: string
  camera_name: string
  kept_days: number
  required_days: number
}

export interface SystemState {
  version: string
  demo: boolean
  shards: { name: string; cameras: number; event_loop_lag_ms: number | null; spool_bytes: number | null }[]
  storage: {
    used_bytes: number | null
    free_bytes: number | null
    real_days: number | null
    forecast: { full_at_us: number | null; breaches: Breach[] } | null
  }
  store: StoreState | null
  transcoder: { running: number; queued: number; limit: number }
}

export type CapabilityName =
  | 'range_reads'
  | 'multipart'
  | 'conditional_put'
  | 'versioning'
  | 'object_lock'
  | 'lifecycle'
  | 'batch_deletion'

export interface StoreState {
  kind: 'directory' | 's3'
  place: string
  problem: string | null
  rules_problem: string | null
  capabilities: { name: CapabilityName; offered: boolean | null; detail: string }[]
}

export const ROLES = [
  'viewer',
  'operator',
  'investigator',
  'supervisor',
  'area_admin',
  'auditor',
  'inspector',
  'integrator',
  'site',
  'convener',
  'agent',
  'handler',
  'field_worker',
  'system_admin',
] as const
export type Role = (typeof ROLES)[number]

/** The `area_id` of a grant for the whole county. */
export const WHOLE_COUNTY = '*'

export interface Person {
  id: string
  name: string
  display_name: string
}

export interface GrantForm {
  role: Role
  area_id: string
  valid_from_us?: number | null
  valid_until_us?: number | null
  ptz_priority?: number | null
}

export interface Grant {
  id: string
  user: Person
  role: Role
  area_id: string
  axis: Axis | null
  area_path: string[]
  valid_from_us: number | null
  valid_until_us: number | null
  in_force: boolean
  ptz_priority: number | null
  created_us: number
  granted_by: Person | null
}

export interface User extends Person {
  enabled: boolean
  must_change_password: boolean
  created_us: number
  /** The home of the account; null is the county. */
  area_id: string | null
  area_path: string[]
  grants: Grant[]
}

export type ServerEvent =
  | ({ type: 'ptz' } & Pick<Ptz, 'camera_id' | 'holder' | 'own' | 'may_steer' | 'moving' | 'patrol' | 'priority'>)
  | ({ type: 'device_event' } & DeviceEvent)
  | ({ type: 'alarm' } & Alarm)
  | { type: 'alarms_changed' }
  | ({ type: 'alarm_notice' } & AlarmNotice)
  | ({ type: 'camera_state'; camera_id: string; variant: VariantName | 'h264' } & VariantState)
  | { type: 'meeting'; meeting_id: string; event: 'ring' | 'changed' | 'ended'; title?: string }
  | { type: 'site_check'; area_ids: string[] }
  | { type: 'session_revoked'; session_id: string }
  | { type: 'forecast'; full_at_us?: number | null; breaches?: Breach[] }
  | ({ type: 'incident' } & IncidentNews)
  | AssistNews
  | NoticeNews
  | { type: 'ping' }
