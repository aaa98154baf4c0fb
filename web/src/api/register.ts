/** The register of who did what, and the auditors' report (docs/http-api.md). */
import { get, urlOf, type Query } from './client'
import type { Page } from './types'

export interface AuditEntry {
  sequence: number
  at_us: number
  user_id: string | null
  user_name: string | null
  address: string | null
  action: string
  camera_id: string | null
  camera_name: string | null
  area_path: string[] | null
  start_us: number | null
  end_us: number | null
  reason_code: string | null
  reason: string | null
  case_id: string | null
  detail: unknown
}

export interface AuditFilter {
  camera_id?: string | undefined
  user_id?: string | undefined
  /** Ending in a dot: all that begin with it. */
  action?: string | undefined
  area_id?: string | undefined
  reason_code?: string | undefined
  case_id?: string | undefined
  address?: string | undefined
  query?: string | undefined
  start_us?: number | undefined
  end_us?: number | undefined
}

export type FindingKind = 'blank_reason' | 'filler_reason' | 'copied_reason' | 'off_shift' | 'same_target' | 'refused' | (string & {})

export interface Finding {
  kind: FindingKind
  user_id: string | null
  user_name: string | null
  camera_id: string | null
  camera_name: string | null
  count: number
  first_us: number
  last_us: number
  example: string | null
  sequences: number[]
  detail: unknown
}

export interface AuditorsReport {
  start_us: number
  end_us: number
  looks: number
  people: number
  findings: Finding[]
  counts: Record<string, number>
}

export interface RegisterState {
  records: number
  signed: { sequence: number; at_us: number } | null
  outside: { place: string; sequence: number | null; at_us: number | null; error: string | null }[]
}

/** Minutes that local time is ahead of UTC. */
export const utcOffsetMinutes = (): number => -new Date().getTimezoneOffset()

const whole = (filter: AuditFilter): Query => ({ ...filter })

export const register = {
  list: (filter: AuditFilter, cursor?: string | number | null, signal?: AbortSignal): Promise<Page<AuditEntry>> =>
    get('/api/audit', { ...whole(filter), cursor, limit: 100 }, signal),
  csvUrl: (filter: AuditFilter): string =>
    urlOf('/api/audit.csv', { ...whole(filter), utc_offset_minutes: utcOffsetMinutes() }),
  actions: (): Promise<{ items: string[] }> => get('/api/audit/actions'),
  report: (start_us: number, end_us: number, signal?: AbortSignal): Promise<AuditorsReport> =>
    get('/api/audit/report', { start_us, end_us, utc_offset_minutes: utcOffsetMinutes() }, signal),
  reportCsvUrl: (start_us: number, end_us: number): string =>
    urlOf('/api/audit/report.csv', { start_us, end_us, utc_offset_minutes: utcOffsetMinutes() }),
  state: (): Promise<RegisterState> => get('/api/audit/state'),
}
