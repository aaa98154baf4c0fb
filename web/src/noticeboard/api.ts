/** Notices: their shapes and calls (docs/http-api.md). Times are UTC microseconds. */
import { apiPath, get, post, put } from '@/api/client'
import type { Page } from '@/api/types'

export const PRIORITIES = ['normal', 'important', 'emergency'] as const
export type NoticePriority = (typeof PRIORITIES)[number]
export type NoticeState = 'coming' | 'current' | 'over' | 'withdrawn'

export interface NoticeSummary {
  id: string
  state: NoticeState
  priority: NoticePriority
  title: string
  publisher: string
  /** Names from the root down; none for the county. */
  publisher_area: string[]
  areas: { area_id: string; name: string }[]
  from_us: number
  until_us: number
  created_us: number
  /** One is asked to read it. */
  addressed: boolean
  read_us: number | null
  /** One publishes in all its areas. */
  managed: boolean
}

export interface NoticeFile {
  id: string
  kind: 'photo' | 'video' | 'sound' | 'document'
  name: string
  has_thumbnail: boolean
}

export interface Notice extends NoticeSummary {
  words: string
  files: NoticeFile[]
  withdrawn_us: number | null
  withdrawn_by: string | null
  withdrawal_note: string | null
}

export interface EmergencySite {
  area_id: string
  shown_us: number | null
  confirmed_us: number | null
}

export interface Emergency extends NoticeSummary {
  words: string
  /** Those that one sits for. */
  sites: EmergencySite[]
}

export interface CoveredArea {
  area_id: string
  name: string
  area_path: string[]
  people: number
  read: number
  first_read_us: number | null
  last_read_us: number | null
  site: { shown_us: number | null; confirmed_us: number | null; confirmed_by: string | null } | null
}

export interface Coverage {
  people: number
  read: number
  sites: number
  confirmed: number
  areas: CoveredArea[]
}

export interface Reader {
  id: string
  name: string
  read_us: number | null
}

export interface PublishableArea {
  id: string
  parent_id: string | null
  name: string
}

export interface NoticeForm {
  title: string
  words: string
  priority: NoticePriority
  area_ids: string[]
  from_us?: number
  until_us: number
  file_ids: string[]
}

export interface NoticeNews {
  type: 'notice'
  event: 'published' | 'changed' | 'withdrawn'
  notice_id: string
  priority: NoticePriority
}

const of = (id: string, ...parts: string[]): string => apiPath('notices', id, ...parts)

export const notices = {
  list: (query: { side: 'received' | 'managed'; only?: 'current' | 'unread' | undefined; limit?: number; cursor?: string | number | undefined }, signal?: AbortSignal) =>
    get<Page<NoticeSummary>>('/api/notices', { ...query }, signal),
  current: () => get<{ unread: number; emergencies: Emergency[] }>('/api/notices/current'),
  areas: () => get<Page<PublishableArea>>('/api/notices/areas'),
  publish: (form: NoticeForm) => post<Notice>('/api/notices', form),
  read: (id: string) => get<Notice>(of(id)),
  markRead: (id: string) => post<Notice>(of(id, 'read')),
  withdraw: (id: string, note: string) => post<Notice>(of(id, 'withdraw'), { note }),
  atSite: (id: string, area_id: string, confirmed: boolean) => put<Notice>(of(id, 'sites', area_id), { confirmed }),
  coverage: (id: string) => get<Coverage>(of(id, 'coverage')),
  readers: (id: string, area_id: string) => get<Page<Reader>>(of(id, 'coverage', area_id)),
}
