/** What was marked on a timeline, for one or several cameras. */
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

/** Where the playback page shows it. */
export const playbackOf = (camera_ids: readonly string[], at_us: number): { name: string; query: Record<string, string> } => ({
  name: 'playback',
  query: { camera: camera_ids.slice(0, 9).join(','), at: String(Math.round(at_us)) },
})
