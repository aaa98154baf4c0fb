/** Meetings: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, patch, post, put, remove, request, urlOf } from '@/api/client'
import type { Page, Person } from '@/api/types'
import { locale } from '@/locales'
import type { Purpose } from '@/purpose/scope'

export const LAYOUTS = ['speaker', 'speaker_grid', 'grid', 'screen'] as const
export type MeetingLayout = (typeof LAYOUTS)[number]

export const MEETING_VIEWS = ['today', 'coming', 'running', 'ended'] as const
export type MeetingView = (typeof MEETING_VIEWS)[number]

export type MeetingState = 'scheduled' | 'running' | 'ended' | 'cancelled'
export type ParticipantKind = 'site' | 'person' | 'guest' | 'camera' | 'recording' | 'sip' | 'whip'
export type ParticipantRole = 'chair' | 'co_chair' | 'site' | 'observer'
export type ParticipantState = 'invited' | 'ringing' | 'lobby' | 'joining' | 'connected' | 'left' | 'refused' | 'removed'

/** What a site says that it sends. */
export interface Device {
  microphone: boolean
  camera: boolean
  screen: boolean
}

/** What a recording in the meeting plays, and where it stands: at `position_us` since `since_us`. */
export interface Playback {
  source: 'footage' | 'meeting' | 'file'
  camera_id: string | null
  recording_id: string | null
  file_id: string | null
  /** When what is shown happened; null of a file. */
  start_us: number | null
  end_us: number | null
  length_us: number
  state: 'playing' | 'paused'
  position_us: number
  since_us: number
  loop: boolean
  /** Why nothing of it is shown, in English. */
  problem: string | null
}

/** What is left out stays as it is. */
export type PlaybackCommand = Partial<Pick<Playback, 'state' | 'position_us' | 'loop'>>

/** One of: a camera's footage, a recording of a meeting, a file of this one. */
export interface RecordingToBring {
  camera_id?: string
  start_us?: number
  end_us?: number
  recording_id?: string
  file_id?: string
  name?: string
  loop?: boolean
}

export interface Participant {
  id: string
  kind: ParticipantKind
  role: ParticipantRole
  state: ParticipantState
  name: string
  area_id: string | null
  /** From the county down; a room does not repeat it. */
  area_path?: string[]
  user_id: string | null
  camera_id: string | null
  /** Why the call was not taken; a room does not tell it. */
  refusal?: string | null
  /** Along the tree of areas. */
  position: number
  /** By the chair: nothing of its sound is forwarded, whatever it sends. */
  muted: boolean
  /** Since when it has the floor. */
  floor_us: number | null
  hand_us: number | null
  joined_us: number | null
  left_us: number | null
  /** In a room, of those who are there. */
  device?: Device | null
  /** Of a recording. */
  playback?: Playback | null
  /** Why a terminal's screen is empty: it takes part by its sound. */
  unshown?: Unshown | null
}

/** The terminal cannot be shown what there is: see docs/telephones.md. */
export type Unshown = 'codec' | 'profile' | 'size' | 'rate' | 'packets'


/** As whom the caller takes part or would. */
export interface Seat {
  participant_id: string | null
  role: ParticipantRole | null
  state: ParticipantState | null
  /** Chair, co-chair, or who convenes where the meeting belongs. */
  leads: boolean
  /** Participants as which the caller may join, beside themselves. */
  sites: string[]
}

/** 轮巡: sites are shown to everybody in turn. Whose turn it is, a room alone tells. */
export interface Polling {
  interval_s: number
  current_id?: string | null
  next_id?: string | null
  since_us?: number
}

export interface Meeting {
  id: string
  title: string
  area_id: string
  area_path: string[]
  state: MeetingState
  created_by: string
  scheduled_us: number
  planned_s: number
  started_us: number | null
  ended_us: number | null
  /** At its time, without anybody's doing. */
  starts_itself: boolean
  /** Calls who is invited when it begins. */
  rings: boolean
  lobby: boolean
  locked: boolean
  /** Nobody who comes in is heard before the chair lets them. */
  muted_on_entry: boolean
  /** Whether it is recorded. */
  records: boolean
  layout: MeetingLayout
  /** Whom everybody sees, by the chair's choice. */
  pinned_id: string | null
  polling: Polling | null
  /** Whether guests may come by a code, and until when. */
  link: { expires_us: number } | null
  /** Participants by state. */
  counts: Partial<Record<ParticipantState, number>>
  /** How many recordings of it one may watch. */
  recordings: number
  you: Seat
}

/** What a room tells of its meeting. */
export interface RoomMeeting extends Pick<Meeting, 'id' | 'title' | 'area_id' | 'started_us' | 'lobby' | 'locked'> {
  layout?: MeetingLayout
  recording?: boolean
  polling?: Polling | null
  /** Whom everybody sees, by the chair's choice. */
  pinned?: string | null
  /** What everybody is shown at the moment, and why. */
  program?: { participant_id: string; kind: 'camera' | 'screen'; why: string } | null
  /** The newest. */
  messages?: number
  /** What is dealt with now, by the agenda. */
  agenda_item?: string | null
  /** The one that is on. */
  roll_call?: { id: string; current_id: string | null } | null
}

export interface WholeMeeting extends Meeting {
  /** Whether telephones are dialled and may dial in. */
  telephones: boolean
  participants: Participant[]
}

export interface Invitation {
  area_ids?: string[]
  user_ids?: string[]
  camera_ids?: string[]
  sip_uris?: string[]
  devices?: { name: string }[]
  recordings?: RecordingToBring[]
  /** Where looking at a camera asks for one. */
  purpose?: Purpose
}

/** With what a codec sends and receives; told this once. */
export interface DeviceKey {
  participant_id: string
  name: string
  token: string
}

export interface Invited {
  participant_ids: string[]
  added: number
  devices: DeviceKey[]
}

/** The code is told this once; `path` is of the guests' page. */
export interface MadeLink {
  code: string
  path: string
  expires_us: number
  telephone: { number: string; pin: string } | null
}

export interface MeetingForm {
  title: string
  area_id: string
  /** Without it: for now, and started by hand. */
  scheduled_us?: number
  planned_s: number
  lobby: boolean
  records: boolean
}

/** What may be changed later; of a running meeting not when it begins. */
export type MeetingChange = Partial<Pick<Meeting, 'title' | 'scheduled_us' | 'planned_s' | 'starts_itself' | 'rings' | 'lobby' | 'muted_on_entry' | 'records'>>

export interface Joined {
  /** Of the shard's WebSocket, with a ticket that is good for seconds. */
  url: string
  participant_id: string
  role: ParticipantRole
  ice_servers: RTCIceServer[]
}

export interface Message {
  id: number
  participant_id: string | null
  name: string
  /** Empty once it was taken away. */
  text: string
  at_us: number
}

export type RollCallState = 'waiting' | 'called' | 'present' | 'late' | 'absent' | 'left_early'

export interface RollCallRow {
  participant_id: string
  name: string
  area_path: string[]
  /** `present` is the site's own answer, or the chair's tick; what the machine sees is no presence. */
  state: RollCallState
  called_us: number | null
  /** What the machine found when it was called. */
  connected: boolean | null
  connected_now: boolean
  answered_us: number | null
  tick: 'present' | 'absent' | null
  ticked_us: number | null
  /** Of when the picture kept of it is. */
  snapshot_us: number | null
  late_us: number
  early_us: number
}

export interface RollCall {
  id: string
  title: string
  started_us: number
  ended_us: number | null
  current_id: string | null
  late_after_s: number
  tally: Partial<Record<RollCallState, number>>
  rows: RollCallRow[]
}

/** An A4 page in words. */
export interface RollCallPaper {
  title: string
  lines: string[]
  columns: string[]
  groups: { name: string; rows: string[][] }[]
  tally: { state: string; word: string; count: number }[]
  signatures: string[]
}

export type ParticipantAct = 'admit' | 'mute' | 'unmute' | 'remove' | 'ring' | 'refuse' | 'give_floor' | 'take_floor' | 'pin' | 'unpin'

export type CheckResult = 'ok' | 'bad' | 'untested'

/** What a test found of a device, in the gateway's words. */
export type Finding = 'good' | 'poor' | 'failed' | 'refused' | 'absent'

export interface SiteCheck {
  area_id: string
  check_id: string | null
  microphone: Finding | null
  camera: Finding | null
  speaker: Finding | null
  network: Finding | null
  detail: { round_trip_ms?: number | null; why: Partial<Record<'microphone' | 'camera' | 'speaker' | 'network', string>> }
}

/** Local days and minutes in which a site takes calls unasked; 0 is Monday. */
export interface Hours {
  days: number[]
  from_min: number
  until_min: number
}

export interface OwnSite {
  area_id: string
  name: string
  area_path: string[]
  hours: Hours[]
  /** A test that somebody asked for. */
  check_id: string | null
}

export interface CheckedSite {
  area_id: string
  name: string
  area_path: string[]
  asked_us: number | null
  done_us: number | null
  microphone: Finding | null
  camera: Finding | null
  speaker: Finding | null
  network: Finding | null
  detail: Partial<SiteCheck['detail']> | null
}

const of = (id: string, ...parts: string[]): string => apiPath('meetings', id, ...parts)

export const meetings = {
  list: (query: { state?: MeetingState | undefined; start_us?: number | undefined; end_us?: number | undefined; cursor?: string | number | undefined }, signal?: AbortSignal): Promise<Page<Meeting>> =>
    get('/api/meetings', query, signal),
  /** People whom the caller may invite. */
  people: (query: string, signal?: AbortSignal): Promise<Page<Person>> => get('/api/meetings/people', { query }, signal),
  read: (id: string): Promise<WholeMeeting> => get(of(id)),
  /** With those alone of who takes part as whom the caller may sit: hundreds look at once. */
  readOwn: (id: string): Promise<WholeMeeting> => get(of(id), { own: true }),
  create: (body: MeetingForm): Promise<Meeting> => post('/api/meetings', body),
  update: (id: string, body: MeetingChange): Promise<Meeting> => patch(of(id), body),
  remove: (id: string): Promise<void> => remove(of(id)),
  start: (id: string): Promise<Meeting> => post(of(id, 'start')),
  end: (id: string): Promise<void> => post(of(id, 'end')),
  lock: (id: string, on: boolean): Promise<void> => post(of(id, on ? 'lock' : 'unlock')),
  remind: (id: string): Promise<void> => post(of(id, 'remind')),
  invite: (id: string, body: Invitation): Promise<Invited> => post(of(id, 'invite'), body),
  link: (id: string, expires_in_s: number): Promise<MadeLink> => post(of(id, 'link'), { expires_in_s }),
  /** Nobody comes by it any more; who is in stays. */
  unlink: (id: string): Promise<void> => remove(of(id, 'link')),
  join: (id: string, body: { participant_id?: string; code?: string } = {}, signal?: AbortSignal): Promise<Joined> => post(of(id, 'join'), body, signal),
  act: (id: string, participantId: string, act: ParticipantAct): Promise<void> => post(of(id, 'participants', participantId, act)),
  /** A recording that takes part. */
  play: (id: string, participantId: string, body: PlaybackCommand): Promise<Participant> => post(of(id, 'participants', participantId, 'playback'), body),
  setRole: (id: string, participantId: string, role: ParticipantRole): Promise<void> => post(of(id, 'participants', participantId, 'role'), { role }),
  muteAll: (id: string, muted = true): Promise<void> => post(of(id, 'mute_all'), { muted }),
  admitAll: (id: string): Promise<void> => post(of(id, 'admit')),
  hand: (id: string, up: boolean): Promise<void> => post(of(id, up ? 'raise_hand' : 'lower_hand')),
  setLayout: (id: string, layout: MeetingLayout): Promise<void> => post(of(id, 'layout'), { layout }),
  /** Of an area and all below it, or of all; without an interval: not any more. */
  setPolling: (id: string, interval_s: number | null, area_id: string | null): Promise<void> => post(of(id, 'polling'), { interval_s, area_id }),
  record: (id: string, on: boolean): Promise<void> => post(on ? of(id, 'recordings') : of(id, 'recordings', 'stop')),
  say: (id: string, text: string): Promise<Message> => post(of(id, 'messages'), { text }),
  /** Those after a number; without one, the newest. */
  messages: (id: string, after: number): Promise<Page<Message>> => get(of(id, 'messages'), { after }),
}

/** With `signal`, given up when it says so. A guest has no session: nobody is asked to sign in. */
function asGuest<Answer>(method: 'GET' | 'POST', id: string, path: string, options: { token?: string; body?: unknown; query?: Record<string, number>; signal?: AbortSignal }): Promise<Answer> {
  const { token, ...rest } = options
  return request<Answer>(method, of(id, ...path.split('/')), { ...rest, ...(token === undefined ? {} : { headers: { 'X-Meeting-Guest': token } }), quietly: true })
}

export interface GuestSeat {
  /** By which the guest joins, raises a hand, writes; told this once. */
  guest_token: string
  participant_id: string
  meeting: Pick<Meeting, 'id' | 'title' | 'state' | 'scheduled_us' | 'started_us'>
}

/** Without an account, by the link's code. */
export const guests = {
  come: (id: string, body: { code: string; name: string }): Promise<GuestSeat> => asGuest('POST', id, 'guests', { body }),
  join: (id: string, token: string, signal: AbortSignal): Promise<Joined> => asGuest('POST', id, 'guests/join', { body: { guest_token: token }, signal }),
  hand: (id: string, token: string, raised: boolean): Promise<void> => asGuest('POST', id, 'guests/hand', { token, body: { raised } }),
  messages: (id: string, token: string, after: number): Promise<Page<Message>> => asGuest('GET', id, 'guests/messages', { token, query: { after } }),
  say: (id: string, token: string, text: string): Promise<Message> => asGuest('POST', id, 'guests/messages', { token, body: { text } }),
}

const paper = (): { language: string; utc_offset_minutes: number } => ({ language: locale.value === 'en' ? 'en' : 'zh', utc_offset_minutes: -new Date().getTimezoneOffset() })

export const rollCalls = {
  list: (id: string): Promise<Page<Omit<RollCall, 'rows' | 'tally'>>> => get(of(id, 'roll-calls')),
  begin: (id: string, body: { area_id: string | null; late_after_s: number }): Promise<RollCall> => post(of(id, 'roll-calls'), body),
  read: (id: string, rollCallId: string): Promise<RollCall> => get(of(id, 'roll-calls', rollCallId)),
  /** A site, or the next that was not called yet; nobody where none is left. */
  call: (id: string, rollCallId: string, participantId: string | null): Promise<{ participant_id: string | null; connected: boolean }> =>
    post(of(id, 'roll-calls', rollCallId, 'call'), { participant_id: participantId }),
  tick: (id: string, rollCallId: string, participantId: string, tick: 'present' | 'absent' | null): Promise<RollCall> =>
    post(of(id, 'roll-calls', rollCallId, 'answers', participantId), { tick }),
  /** A picture of everybody who is connected. */
  round: (id: string, rollCallId: string): Promise<{ sites: number }> => post(of(id, 'roll-calls', rollCallId, 'round')),
  end: (id: string, rollCallId: string): Promise<RollCall> => post(of(id, 'roll-calls', rollCallId, 'end')),
  sheetUrl: (id: string, rollCallId: string): string => urlOf(`${of(id, 'roll-calls', rollCallId)}.xlsx`, paper()),
  paper: (id: string, rollCallId: string): Promise<RollCallPaper> => get(of(id, 'roll-calls', rollCallId, 'print'), paper()),
  /** Each look is on record: shown once for each picture. */
  pictureUrl: (id: string, rollCallId: string, row: RollCallRow): string =>
    urlOf(of(id, 'roll-calls', rollCallId, 'answers', row.participant_id, 'snapshot.jpg'), { at: row.snapshot_us }),
}

export const sites = {
  own: (): Promise<Page<OwnSite>> => get('/api/sites'),
  setHours: (areaId: string, hours: Hours[]): Promise<void> => put(apiPath('sites', areaId), { hours }),
}

export const siteChecks = {
  store: (body: SiteCheck): Promise<void> => post('/api/site-checks', body),
  /** Those that were asked or have tested since; all without a time. */
  board: (of: { meeting_id: string } | { area_id: string }, since_us: number): Promise<Page<CheckedSite>> => get('/api/site-checks', { ...of, ...(since_us > 0 ? { since_us } : {}) }),
  ask: (of: { meeting_id: string } | { area_id: string }): Promise<{ sites: number; asked: number }> => post('/api/site-checks/ask', of),
}
