/** What was marked on a timeline, for one or several cameras. */
import { clockTime, dateTime } from '@/format'

export interface MarkedCamera {
  id: string
  name: string
  rights: readonly string[]
}

export interface MarkedRange {
  cameras: readonly MarkedCamera[]
  start_us: number
  end_us: number
}

/** "2026/11/21 20:15:30 – 20:16:00"; the day once where it is the same. */
export function rangeText(start_us: number, end_us: number): string {
  const sameDay = new Date(start_us / 1000).toDateString() === new Date(end_us / 1000).toDateString()
  return `${dateTime(start_us)} – ${sameDay ? clockTime(end_us) : dateTime(end_us)}`
}

/** Where the playback page shows it. */
export const playbackOf = (camera_ids: readonly string[], at_us: number): { name: string; query: Record<string, string> } => ({
  name: 'playback',
  query: { camera: camera_ids.slice(0, 9).join(','), at: String(Math.round(at_us)) },
})
