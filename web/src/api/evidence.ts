/** Cases, holds and exports (docs/http-api.md). */
import type { Purpose } from '@/purpose/scope'

import { apiPath, get, patch, post, put, remove } from './client'
import type { Page } from './types'

export type CaseRole = 'lead' | 'member'

export interface Case {
  id: string
  number: string
  title: string
  area_id: string
  area_path: string[]
  state: 'open' | 'closed'
  created_us: number
  created_by: string
  closed_us: number | null
  role: CaseRole | null
}

export interface CaseItem {
  id: string
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
  title: string | null
  note: string | null
  added_by: string
  added_us: number
}

export interface Hold {
  id: string
  case_id: string | null
  case_number: string | null
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
  reason: string
  created_us: number
  created_by: string
  expires_us: number | null
  released_us: number | null
  released_by: string | null
  release_reason: string | null
  /** How much footage there is in it now. */
  recorded_us: number
}

export type ExportState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'expired'

export interface ExportFile {
  path: string
  kind: string
  camera_id: string | null
  start_us: number | null
  end_us: number | null
  size_bytes: number
  sha256: string
  sm3: string
}

export interface Export {
  id: string
  case_id: string | null
  case_number: string | null
  camera_ids: string[]
  start_us: number
  end_us: number
  created_us: number
  created_by: string
  original: boolean
  viewing: Viewing
  burn_in: BurnIn
  state: ExportState
  progress: number
  queue_position?: number | null
  code: string | null
  message: string | null
  size_bytes: number | null
  finished_us: number | null
  expires_us: number | null
  files: ExportFile[]
}

export type Viewing = 'auto' | 'always' | 'never'

export interface BurnIn {
  time: boolean
  viewer: boolean
  masks: boolean
}

export interface ExportOrder {
  camera_ids: string[]
  start_us: number
  end_us: number
  case_id?: string
  original: boolean
  viewing: Viewing
  burn_in: BurnIn
  utc_offset_minutes: number
}

export interface CaseFile extends Case {
  description: string | null
  members: { user_id: string; name: string; display_name: string; role: CaseRole; added_us: number }[]
  notes: { id: string; author: string; text: string; created_us: number }[]
  items: CaseItem[]
  holds: Hold[]
  exports: Export[]
  closing_note: string | null
}

export interface EvidenceKey {
  algorithm: string
  public_key: string
  fingerprint: string
  sm2: { public_key: string; fingerprint: string } | null
}

export const cases = {
  list: (query: { state?: 'open' | 'closed'; query?: string } = {}): Promise<Page<Case>> =>
    get('/api/cases', { ...query }),
  create: (body: { number: string; title: string; description?: string; area_id: string }): Promise<Case> =>
    post('/api/cases', body),
  read: (id: string): Promise<CaseFile> => get(apiPath('cases', id)),
  update: (id: string, body: { title?: string; description?: string }): Promise<unknown> => patch(apiPath('cases', id), body),
  close: (id: string, body: { note: string; release_holds: boolean }): Promise<unknown> =>
    post(apiPath('cases', id, 'close'), body),
  reopen: (id: string): Promise<unknown> => post(apiPath('cases', id, 'reopen')),
  setMember: (id: string, name: string, role: CaseRole): Promise<unknown> => put(apiPath('cases', id, 'members', name), { role }),
  removeMember: (id: string, name: string): Promise<void> => remove(apiPath('cases', id, 'members', name)),
  addNote: (id: string, text: string): Promise<unknown> => post(apiPath('cases', id, 'notes'), { text }),
  addItem: (
    id: string,
    body: { camera_id: string; start_us: number; end_us: number; title?: string; note?: string },
  ): Promise<unknown> => post(apiPath('cases', id, 'items'), body),
  removeItem: (id: string, item: string): Promise<void> => remove(apiPath('cases', id, 'items', item)),
}

export interface HoldQuery {
  camera_id?: string
  start_us?: number
  end_us?: number
  case_id?: string
  released?: boolean
}

export const holds = {
  list: (query: HoldQuery = {}, signal?: AbortSignal): Promise<Page<Hold>> => get('/api/holds', { ...query }, signal),
  create: (body: {
    camera_id: string
    start_us: number
    end_us: number
    reason: string
    case_id?: string
    expires_us?: number
  }): Promise<Hold> => post('/api/holds', body),
  extend: (id: string, expires_us: number | null): Promise<Hold> => patch(apiPath('holds', id), { expires_us }),
  release: (id: string, reason: string): Promise<unknown> => post(apiPath('holds', id, 'release'), { reason }),
}

export const exports_ = {
  list: (query: { case_id?: string } = {}, signal?: AbortSignal): Promise<Page<Export>> =>
    get('/api/exports', { ...query }, signal),
  order: (body: ExportOrder & { purpose?: Purpose | undefined }): Promise<Export> => post('/api/exports', body),
  read: (id: string): Promise<Export> => get(apiPath('exports', id)),
  cancel: (id: string): Promise<unknown> => post(apiPath('exports', id, 'cancel')),
  /** An address that is good for 30 s; without `file` the whole package. */
  downloadUrl: async (id: string, file?: string): Promise<string> =>
    (await post<{ url: string }>(apiPath('exports', id, 'download'), file === undefined ? {} : { path: file })).url,
}

export const evidence = {
  key: (): Promise<EvidenceKey> => get('/api/evidence/key'),
  verifierUrl: '/api/evidence/verifier.html',
}
