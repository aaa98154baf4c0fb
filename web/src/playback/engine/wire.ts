/** The shapes of docs/http-api.md, "Timeline and playback", and what the engine makes of them. */

/** A half-open range of wall-clock time, UTC microseconds. */
export interface Interval {
  start_us: number
  end_us: number
}

export interface Gap extends Interval {
  cause: string
  detail?: string | null
}

export interface Bookmark {
  id: string
  camera_id: string
  at_us: number
  end_us: number | null
  note: string
  author: string
  created_us: number
}

export interface TimelineAnswer {
  camera_id: string
  now_us: number
  spans: Interval[]
  gaps: Gap[]
  bookmarks: Bookmark[]
  first_us: number | null
}

export interface PlaybackAnswer {
  session_id: string
  server: string
  ticket: string
  cameras: { camera_id: string; base_url: string }[]
}

/** One uninterrupted stretch of one codec and one picture size. */
export interface Run {
  run_id: string
  mime: string
  width: number
  height: number
  start_us: number
  transcode: boolean
  has_audio: boolean
}

/** The answer of `/index`, column by column. */
export interface IndexAnswer {
  runs: Run[]
  fragments: {
    run: number[]
    start_us: number[]
    duration_us: number[]
    segment_id: string[]
    number: number[]
    bytes: number[]
    keyframe?: boolean[]
  }
  gaps: Gap[]
  next_us: number | null
}

export interface Fragment extends Interval {
  run: Run
  segment_id: string
  number: number
  bytes: number
  keyframe: boolean
}
