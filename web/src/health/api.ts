/** Camera health: its shapes and calls (docs/http-api.md). */
import { apiPath, get, post, urlOf } from '@/api/client'

export const CONCERNS = ['black', 'frozen', 'covered', 'blurred', 'shifted', 'color_cast', 'noisy', 'incomplete', 'clock_drift', 'unseen'] as const
export type Concern = (typeof CONCERNS)[number]
export type Light = 'day' | 'dim' | 'night'

export interface Finding {
  finding: Concern
  since_us: number
  value: number
  limit: number
}

export interface HealthDay {
  day: string
  recorded_us: number
  expected_us: number
  findings: Concern[]
}

export interface CameraHealth {
  camera_id: string
  name: string
  number: string | null
  area_names: string[]
  looked_us: number | null
  picture_us: number | null
  missing: string | null
  /** Of when the picture is that can be shown. */
  kept_us: number | null
  clock_offset_us: number | null
  findings: Finding[]
  concerns: Concern[]
  references: { mode: Light; at_us: number; by_name: string | null }[]
  days: HealthDay[]
  may_refer: boolean
}

export interface Counts {
  at_us: number
  cameras: number
  looked: number
  well: number
  concerns: Record<Concern, number>
}

export interface HealthQuery {
  area_id?: string | undefined
  concern?: Concern | undefined
  only_unwell: boolean
}

export interface HealthPage {
  items: CameraHealth[]
  next_cursor: string | null
  days: string[]
}

export const health = {
  counts: (area_id: string | undefined): Promise<Counts> => get('/api/health/counts', { area_id }),
  list: (query: HealthQuery & { limit: number; cursor?: string | number | undefined }, signal?: AbortSignal): Promise<HealthPage> => get('/api/health/cameras', { ...query }, signal),
  refer: (camera_id: string): Promise<CameraHealth> => post(apiPath('health', 'cameras', camera_id, 'reference')),
  sheetUrl: (query: HealthQuery, language: 'zh' | 'en'): string => urlOf('/api/health/report.xlsx', { ...query, language }),
  /** `at_us`: of when it is, so that a newer one is asked for anew. */
  pictureUrl: (camera_id: string, of: 'last' | Light, at_us: number): string => urlOf(apiPath('health', 'cameras', camera_id, 'picture.jpg'), { of, at_us }),
}
