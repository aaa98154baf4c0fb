/** The storage forecast of each day (docs/http-api.md). */
import { apiPath, get, urlOf } from './client'

export const FORECAST_STATES = ['short', 'empty', 'filling', 'ok'] as const
export type ForecastState = (typeof FORECAST_STATES)[number]

export interface ForecastSums {
  cameras: number
  short: number
  empty: number
  filling: number
  used_bytes: number
  bytes_per_day: number
  least_days: number | null
}

export interface CameraForecast {
  camera_id: string
  name: string
  area_path: string[]
  state: ForecastState
  cause: 'bytes' | 'space' | null
  required_days: number
  kept_days: number
  reach_days: number
  short_from_us: number | null
  used_bytes: number
  bytes_per_day: number
  bitrate_bps: number | null
  before_bps: number | null
  risen_bytes_per_day: number
}

export interface ForecastReport {
  /** UTC days since 1970; null: no forecast was made yet. */
  day: number | null
  at_us: number | null
  default_days: number
  full_at_us: number | null
  /** Null: not the caller's business. */
  store: { used_bytes: number; free_bytes: number | null; bytes_per_day: number; projected_bytes: number[] } | null
  sums: ForecastSums
  areas: (ForecastSums & { area_id: string; name: string })[]
  risen: CameraForecast[]
  cameras: CameraForecast[]
  next_cursor: string | null
}

export interface ForecastDay extends ForecastSums {
  day: number
  store_used_bytes: number | null
  store_free_bytes: number | null
  full_at_us: number | null
}

export interface CameraForecastDay {
  day: number
  required_days: number
  kept_days: number
  reach_days: number
  bytes_per_day: number
  bitrate_bps: number | null
}

export interface ForecastQuery {
  area_id?: string | undefined
  state?: ForecastState | undefined
  cursor?: string | number | undefined
}

export const forecast = {
  read: (query: ForecastQuery, signal?: AbortSignal): Promise<ForecastReport> => get('/api/forecast', { ...query }, signal),
  days: (query: { area_id?: string | undefined; days?: number }): Promise<{ days: ForecastDay[] }> => get('/api/forecast/days', { ...query }),
  cameraDays: (camera_id: string): Promise<{ days: CameraForecastDay[] }> => get(apiPath('forecast', 'cameras', camera_id)),
  sheetUrl: (form: 'csv' | 'xlsx', query: ForecastQuery): string => urlOf(`/api/forecast.${form}`, { ...query }),
}
