/** Privacy masks and the report of what was deleted (docs/http-api.md). */
import { apiPath, get, post, put, urlOf } from './client'

/** A share of the picture's width and height, from its top left corner. */
export type Point = [x: number, y: number]

export interface Mask {
  name: string
  points: Point[]
}

export interface Masks {
  camera_id: string
  version: number
  masks: Mask[]
  changed_us: number | null
  changed_by: string | null
}

export const masks = {
  read: (camera_id: string): Promise<Masks> => get(apiPath('cameras', camera_id, 'masks')),
  write: (camera_id: string, version: number, drawn: Mask[]): Promise<Masks> =>
    put(apiPath('cameras', camera_id, 'masks'), { version, masks: drawn }),
  history: (camera_id: string): Promise<{ items: Masks[] }> => get(apiPath('cameras', camera_id, 'masks', 'history')),
}

export interface RetentionReport {
  at_us: number
  default_days: number
  /** `day` counts the UTC days since 1970. */
  days: { day: number; cause: string; segments: number; bytes: number; first_us: number | null; last_us: number | null }[]
  cameras: {
    camera_id: string
    name: string
    area_path: string[]
    deleted_camera: boolean
    required_days: number
    kept_days: number
    overdue_segments: number
    holds: number
    deleted_segments: number
    deleted_bytes: number
    oldest_us: number | null
  }[]
  derived: { kind: string; overdue: number }[]
  next_cursor?: string | number | null
}

export interface RetentionProof {
  at_us: number
  cameras: number
  looked_at: number
  remaining: { key: string; reason: string }[]
  ok: boolean
  next_cursor?: string | number | null
}

export interface RetentionQuery {
  area_id?: string | undefined
  days?: number
  cursor?: string | number | undefined
}

export const retention = {
  read: (query: RetentionQuery, signal?: AbortSignal): Promise<RetentionReport> => get('/api/retention', { ...query }, signal),
  csvUrl: (query: RetentionQuery): string => urlOf('/api/retention.csv', { ...query }),
  prove: (query: Pick<RetentionQuery, 'area_id' | 'cursor'>): Promise<RetentionProof> =>
    post(urlOf('/api/retention/proof', { ...query })),
}
