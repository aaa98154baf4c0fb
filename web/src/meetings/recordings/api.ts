/** Recordings of meetings: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, post, put, remove } from '@/api/client'
import type { Gap, Interval, Page, PlaybackSession } from '@/api/types'
import type { Purpose } from '@/purpose/scope'

export type TrackKind = 'program' | 'microphone' | 'camera' | 'screen'

/** The program, or what one participant sent. */
export interface Track {
  /** Under which it is played. */
  footage_id: string
  kind: TrackKind
  participant_id: string | null
  name: string | null
}

export interface TrackTimeline extends Track {
  spans: Interval[]
  gaps: Gap[]
}

export const RENDER_LAYOUTS = ['speaker', 'beside'] as const
export type RenderLayout = (typeof RENDER_LAYOUTS)[number]

/** The one MP4: `done_us` of `total_us` are in it. */
export interface Render {
  state: 'queued' | 'running' | 'done' | 'failed'
  layout: RenderLayout | null
  done_us: number
  total_us: number
  bytes: number | null
  sha256: string | null
  message: string | null
}

export type RecordingAct = 'play' | 'render' | 'download' | 'hold' | 'pass'

export interface MeetingRecording {
  id: string
  meeting_id: string
  title: string
  started_us: number
  started_by: string | null
  /** Null while the meeting is being recorded. */
  ended_us: number | null
  tracks: Track[]
  held: { since_us: number; by: string; reason: string } | null
  /** When retention takes it. */
  expires_us: number | null
  render: Render | null
  /** What one may do. */
  can: RecordingAct[]
  /** For who leads: the cameras that were in it. One that they may not export keeps them from taking it away. */
  cameras: { camera_id: string; name: string; may_export: boolean }[]
}

/** Who was on the program, and why. */
export interface Chapter extends Interval {
  participant_id: string
  name: string
  kind: 'camera' | 'screen'
  why: string
}

export interface RecordingDetail extends MeetingRecording {
  tracks: TrackTimeline[]
  chapters: Chapter[]
}

/** An area, with all below it, may watch until then. */
export interface MeetingPass {
  id: string
  meeting_id: string
  area_id: string
  area_path: string[]
  live: boolean
  reason: string
  created_us: number
  created_by: string
  expires_us: number
  revoked_us: number | null
}

export interface PassForm {
  area_ids: string[]
  expires_us: number
  reason: string
  /** Also while the meeting runs. */
  live: boolean
}

const of = (meetingId: string, id: string, ...parts: string[]): string => apiPath('meetings', meetingId, 'recordings', id, ...parts)
const withPurpose = (purpose?: Purpose): { purpose?: Purpose } => (purpose === undefined ? {} : { purpose })

export const recordings = {
  /** All that one may watch, the newest first. */
  list: (query: { query?: string; cursor?: string | number | undefined }, signal?: AbortSignal): Promise<Page<MeetingRecording>> =>
    get('/api/meeting-recordings', query, signal),
  ofMeeting: (meetingId: string, signal?: AbortSignal): Promise<Page<MeetingRecording>> => get(apiPath('meetings', meetingId, 'recordings'), {}, signal),
  read: (meetingId: string, id: string): Promise<RecordingDetail> => get(of(meetingId, id)),
  play: (meetingId: string, id: string, footage_ids: readonly string[]): Promise<PlaybackSession & Interval> => post(of(meetingId, id, 'playback'), { footage_ids }),
  render: (meetingId: string, id: string, layout: RenderLayout, purpose?: Purpose): Promise<RecordingDetail> =>
    post(of(meetingId, id, 'render'), { layout, ...withPurpose(purpose) }),
  downloadUrl: (meetingId: string, id: string, purpose?: Purpose): Promise<{ url: string }> => post(of(meetingId, id, 'download'), withPurpose(purpose)),
  hold: (meetingId: string, id: string, reason: string): Promise<RecordingDetail> => put(of(meetingId, id, 'hold'), { reason }),
  release: (meetingId: string, id: string): Promise<void> => remove(of(meetingId, id, 'hold')),
}

export const passes = {
  list: (meetingId: string): Promise<Page<MeetingPass>> => get(apiPath('meetings', meetingId, 'passes')),
  add: (meetingId: string, body: PassForm): Promise<Page<MeetingPass>> => post(apiPath('meetings', meetingId, 'passes'), body),
  revoke: (meetingId: string, id: string): Promise<void> => remove(apiPath('meetings', meetingId, 'passes', id)),
}
