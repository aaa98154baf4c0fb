/** Assist requests: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, post, request, urlOf } from '@/api/client'
import type { Page } from '@/api/types'

export type AssistState = 'waiting' | 'open' | 'refused' | 'closed' | 'expired'
export type AnswerState = 'asked' | 'seen' | 'not_seen' | 'missing'
export const ANSWERS = ['seen', 'not_seen', 'missing'] as const
export const OUTCOMES = ['found', 'not_found', 'withdrawn'] as const

export interface OwnArea {
  area_id: string
  name: string
  state: AnswerState
  reminded_us: number | null
}

export interface AssistSummary {
  id: string
  state: AssistState
  title: string
  case: { id: string; number: string; title: string } | null
  start_us: number
  end_us: number
  deadline_us: number
  created_us: number
  created_by: string
  outcome: (typeof OUTCOMES)[number] | null
  counts: Record<AnswerState, number> | null
  own: OwnArea[]
  managed: boolean
  can: ('approve' | 'refuse' | 'remind' | 'extend' | 'close')[]
}

export interface AssistPhoto {
  id: string
  name: string
  width: number
  height: number
  url: string
}

export interface Clip {
  id: string
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
  note: string
  created_by: string
  lent: boolean
}

export interface Missing {
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
  cause: string
}

export interface AskedArea {
  area_id: string
  name: string
  area_path: string[]
  state: AnswerState
  answered_us: number | null
  answered_by: string | null
  note: string | null
  missing: Missing[]
  reminded_us: number | null
  cameras: number
  cameras_looked: number
  looked_us: number
  whole_us: number
  looked_by: string[]
  clips: Clip[]
}

export interface AssistStep {
  at_us: number
  by: string | null
  kind: string
  area_name: string | null
  words: string | null
  detail: Record<string, unknown>
}

export interface AssistRequest extends AssistSummary {
  words: string
  plate: string
  photos: AssistPhoto[]
  decided_by: string | null
  decision_note: string | null
  ended_us: number | null
  result: string | null
  areas: AskedArea[]
  steps: AssistStep[]
}

export interface AssistPage extends Page<AssistSummary> {
  unanswered: number
}

export interface AskableArea {
  id: string
  parent_id: string | null
  name: string
  cameras: number
}

export interface Askable {
  items: AskableArea[]
  areas_limit: number
  photos_limit: number
  photo_bytes_limit: number
  window_limit_us: number
  longest_us: number
}

export interface WorkCamera {
  id: string
  name: string
  recorded_us: number
  gaps: Missing[]
  looked: [number, number][]
  looked_us: number
}

export interface AskForm {
  case_id: string
  title: string
  words: string
  plate: string
  start_us: number
  end_us: number
  deadline_us: number
  area_ids: string[]
  photo_ids: string[]
}

export interface AnswerForm {
  state: (typeof ANSWERS)[number]
  note?: string
}

export interface AssistNews {
  type: 'assist'
  event: 'asked' | 'reminded' | 'changed' | 'ended'
  request_id: string
  state: AssistState
  title: string | null
  deadline_us: number
}

const of = (id: string, ...parts: string[]): string => apiPath('assist', id, ...parts)

export const assist = {
  list: (query: { side?: 'asked' | 'managed'; limit?: number; cursor?: string | number | undefined }, signal?: AbortSignal) =>
    get<AssistPage>('/api/assist', { ...query }, signal),
  askable: () => get<Askable>('/api/assist/areas'),
  bringPhoto: (file: File) =>
    request<AssistPhoto>('POST', '/api/assist/photos', { query: { name: file.name.slice(0, 200) }, raw: file }),
  ask: (form: AskForm) => post<AssistRequest>('/api/assist', form),
  read: (id: string) => get<AssistRequest>(of(id)),
  approve: (id: string, note: string) => post<AssistRequest>(of(id, 'approve'), note === '' ? {} : { note }),
  refuse: (id: string, note: string) => post<AssistRequest>(of(id, 'refuse'), { note }),
  remind: (id: string, area_ids?: string[]) => post<AssistRequest>(of(id, 'remind'), area_ids ? { area_ids } : {}),
  extend: (id: string, deadline_us: number, note: string) => post<AssistRequest>(of(id, 'extend'), { deadline_us, note }),
  close: (id: string, outcome: (typeof OUTCOMES)[number], note: string) => post<AssistRequest>(of(id, 'close'), { outcome, note }),
  work: (id: string, area_id: string) => get<{ cameras: WorkCamera[] }>(of(id, 'areas', area_id)),
  attach: (id: string, area_id: string, clip: { camera_id: string; start_us: number; end_us: number; note: string }) =>
    post<AssistRequest>(of(id, 'areas', area_id, 'clips'), clip),
  answer: (id: string, area_id: string, form: AnswerForm) => post<AssistRequest>(of(id, 'areas', area_id, 'answer'), form),
  sheetUrl: (id: string, language: 'zh' | 'en', utc_offset_minutes: number) => urlOf(of(id, 'summary.xlsx'), { language, utc_offset_minutes }),
}
