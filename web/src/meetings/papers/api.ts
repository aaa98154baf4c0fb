/** A meeting's papers: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, post, put, remove, urlOf } from '@/api/client'
import type { Page } from '@/api/types'
import { locale } from '@/locales'

import type { MeetingState, ParticipantKind, ParticipantRole, ParticipantState } from '../api'
import { upload } from './upload'

export interface AgendaItem {
  id: string
  title: string
  speaker: string
  planned_s: number | null
  started_us: number | null
  ended_us: number | null
}

/** Without an id it is new. */
export type AgendaForm = Pick<AgendaItem, 'title' | 'speaker' | 'planned_s'> & { id?: string }

export const MINUTE_KINDS = ['note', 'decision', 'task'] as const
export type MinuteKind = (typeof MINUTE_KINDS)[number]

export interface Minute {
  id: string
  at_us: number
  kind: MinuteKind
  text: string
  agenda_id: string | null
  author: string
}

export interface MinuteForm {
  text: string
  kind: MinuteKind
  at_us?: number
  agenda_id?: string | null
}

export interface MeetingFile {
  id: string
  name: string
  size_bytes: number
  author: string
  at_us: number
}

export interface Attended {
  participant_id: string
  kind: ParticipantKind
  role: ParticipantRole
  name: string
  area_path: string[]
  state: ParticipantState
  first_us: number | null
  /** Null while they are there. */
  last_us: number | null
  times: number
  connected_us: number
}

/** What the papers are of, and what one may do with them. */
export interface PapersOf {
  meetingId: string
  state: MeetingState
  leads: boolean
}

const of = (id: string, ...parts: string[]): string => apiPath('meetings', id, ...parts)
const place = (): { language: string; utc_offset_minutes: number } => ({ language: locale.value === 'en' ? 'en' : 'zh', utc_offset_minutes: -new Date().getTimezoneOffset() })

export const papers = {
  agenda: (id: string): Promise<Page<AgendaItem>> => get(of(id, 'agenda')),
  /** All items in their order; those with an id keep when they were dealt with. */
  setAgenda: (id: string, items: AgendaForm[]): Promise<Page<AgendaItem>> => put(of(id, 'agenda'), { items }),
  /** Goes on to this item; null: none is dealt with any more. */
  dealWith: (id: string, itemId: string | null): Promise<Page<AgendaItem>> => post(itemId === null ? of(id, 'agenda', 'stop') : of(id, 'agenda', itemId, 'start')),
  minutes: (id: string): Promise<Page<Minute>> => get(of(id, 'minutes')),
  addMinute: (id: string, body: MinuteForm): Promise<Minute> => post(of(id, 'minutes'), body),
  changeMinute: (id: string, minuteId: string, body: MinuteForm): Promise<Minute> => put(of(id, 'minutes', minuteId), body),
  strikeMinute: (id: string, minuteId: string): Promise<void> => remove(of(id, 'minutes', minuteId)),
  files: (id: string): Promise<Page<MeetingFile>> => get(of(id, 'files')),
  handOut: (id: string, file: File, progress: (share: number) => void, signal: AbortSignal): Promise<MeetingFile> =>
    upload<MeetingFile>(urlOf(of(id, 'files'), { name: file.name }), file, progress, signal),
  fileUrl: (id: string, fileId: string): string => of(id, 'files', fileId),
  takeBack: (id: string, fileId: string): Promise<void> => remove(of(id, 'files', fileId)),
  attendance: (id: string): Promise<{ until_us: number; items: Attended[] }> => get(of(id, 'attendance')),
  attendanceUrl: (id: string): string => urlOf(`${of(id, 'attendance')}.xlsx`, place()),
}
