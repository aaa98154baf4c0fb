/** How analysis is doing, in words. */
import type { AnalysedCamera, AnalysisHealth } from '@/api/analysis'
import { duration } from '@/format'
import { translate } from '@/locales'

/** From this age on, a picture that waits is late. */
const LATE_S = 30

export type Verdict = 'off' | 'away' | 'failing' | 'late' | 'well'

export function verdictOf(health: AnalysisHealth): Verdict {
  if (!health.enabled) return 'off'
  if (!health.available) return 'away'
  if (health.workers.some(({ state }) => state === 'refused' || state === 'waiting')) return 'failing'
  if (health.cameras.some(isLate)) return 'late'
  return 'well'
}

export const isLate = (camera: AnalysedCamera): boolean => camera.state === 'live' && camera.lag_s >= LATE_S

/** What is late first, then by name. */
export const inPlace = (cameras: readonly AnalysedCamera[]): AnalysedCamera[] =>
  [...cameras].sort((one, other) => Number(isLate(other)) - Number(isLate(one)) || one.camera_name.localeCompare(other.camera_name) || (one.camera_id < other.camera_id ? -1 : 1))

export function lagText({ state, lag_s }: AnalysedCamera): string {
  if (state === 'off' || state === 'resting') return '—'
  return lag_s < 1 ? translate('analysis.noLag') : duration(lag_s * 1000)
}
