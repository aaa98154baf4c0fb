/** The shapes of the footage server's answers (docs/http-api.md, "Timeline and playback"). */

import type { Gap, Interval } from '@/api/types'

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

/** Whether it holds no picture at all: one microphone of a meeting. */
export const isSound = (run: Run): boolean => run.mime.startsWith('audio/')

export interface Fragment extends Interval {
  run: Run
  segment_id: string
  number: number
  bytes: number
  keyframe: boolean
}
