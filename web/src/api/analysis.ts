/** How analysis is doing, which cameras it looks at, and jobs over recorded footage (docs/http-api.md). */
import { apiPath, get, patch, post, remove, urlOf } from './client'

export type AnalysisMode = 'auto' | 'on' | 'off'

export interface AnalysisWorker {
  name: string
  state: 'idle' | 'starting' | 'ready' | 'waiting' | 'refused' | 'closed'
  message: string
  last_fault: string
  restarts: number
  memory_bytes: number
  /** The share of the last minute in which it looked at pictures. */
  busy: number
  pictures: number
  pictures_per_s: number
  failed_pictures: number
  undescribed: number
  skipped_batches: number
}

export interface AnalysedCamera {
  camera_id: string
  camera_name: string
  mode: AnalysisMode
  state: 'live' | 'silent' | 'connecting' | 'resting' | 'off'
  detail: string
  since_us: number | null
  variant: string | null
  looked_until_us: number | null
  lag_s: number
  waiting_units: number
  dropped_units: number
  damaged_units: number
}

export interface AnalysisHealth {
  available: boolean
  enabled: boolean
  model: string | null
  provider: string | null
  classes: string[]
  vector_kind: string | null
  /** What a job may name instead: search.models of the settings. */
  models: string[]
  message: string
  /** The county's totals, for who runs the system. */
  waiting_passages: number | null
  passages: number | null
  workers: AnalysisWorker[]
  footage: { waiting_stretches: number; waiting_s: number; failed_stretches: number; pictures: number | null; passages: number | null; message: string }
  counts: Record<AnalysedCamera['state'], number>
  cameras: AnalysedCamera[]
  left_out: number
}

export interface AnalysisJob {
  id: string
  start_us: number
  end_us: number
  again: boolean
  model: string | null
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  created_us: number
  created_by: { id: string; name: string; display_name: string } | null
  finished_us: number | null
  cameras: number
  seconds: number
  /** Which share of it, 0 to 1. */
  done: number
  passages: number
  stretches: { camera_id: string; camera_name: string; start_us: number; end_us: number; position_us: number; state: string; passages: number; detail: string }[]
  /** Whether it has cameras that one may not know. */
  hidden: boolean
}

export interface JobForm {
  camera_ids?: string[]
  area_id?: string
  start_us: number
  end_us: number
  again: boolean
  model: string | null
}

export interface LiveBox {
  passage_id: string
  class: string
  box: [left: number, top: number, right: number, bottom: number]
  confidence: number
}

export const analysis = {
  read: (query: { area_id?: string; query?: string; limit?: number }, signal?: AbortSignal): Promise<AnalysisHealth> => get('/api/analysis', { ...query }, signal),
  setMode: (camera_id: string, mode: AnalysisMode): Promise<void> => patch(apiPath('cameras', camera_id, 'analysis'), { mode }),
  jobs: (): Promise<{ items: AnalysisJob[] }> => get('/api/analysis/jobs'),
  ask: (form: JobForm): Promise<AnalysisJob> => post('/api/analysis/jobs', form),
  callOff: (id: string): Promise<void> => remove(apiPath('analysis', 'jobs', id)),
  boxesUrl: (camera_id: string): string => urlOf('/api/analysis/boxes', { camera_id }),
}
