/** What platforms above us are given, and by which codes they know it (docs/http-api.md). */
import { apiPath, get, put } from './client'
import type { Page } from './types'

export interface Share {
  area_id: string | null
  camera_id: string | null
  name: string
  area_path: string[]
  shared_us: number
  shared_by: string
}

export interface Shares {
  items: Share[]
  /** Each counted once. */
  cameras: number
}

export interface SharedCode {
  kind: 'group' | 'area' | 'camera'
  id: string
  name: string
  code: string
}

export const shares = {
  read: (platformId: string): Promise<Shares> => get(apiPath('platforms', platformId, 'shares')),
  write: (platformId: string, body: { area_ids: string[]; camera_ids: string[] }): Promise<Shares> =>
    put(apiPath('platforms', platformId, 'shares'), body),
  codes: (platformId: string, query: { query?: string; limit?: number; cursor?: string | number | undefined }, signal?: AbortSignal): Promise<Page<SharedCode>> =>
    get(apiPath('platforms', platformId, 'codes'), { ...query }, signal),
  setCode: (platformId: string, { kind, id, code }: Omit<SharedCode, 'name'>): Promise<void> =>
    put(apiPath('platforms', platformId, 'codes'), { kind, id, code }),
}
