/** Indexes made up for tests: runs of equal fragments, with holes wherever one asks for them. */

import type { Gap } from '@/api/types'

import type { IndexAnswer, Run } from './wire'

export function run(run_id: string, start_us = 0, more: Partial<Run> = {}): Run {
  return {
    run_id,
    mime: 'video/mp4; codecs="avc1.64001f"',
    width: 768,
    height: 576,
    start_us,
    transcode: false,
    has_audio: false,
    ...more,
  }
}

export interface Stretch {
  run: Run
  start_us: number
  durations_us: number[]
  keyframes?: boolean[]
}

export function answer(stretches: Stretch[], gaps: Gap[] = []): IndexAnswer {
  const result: IndexAnswer = {
    runs: stretches.map((s) => s.run),
    fragments: {
      run: [],
      start_us: [],
      duration_us: [],
      segment_id: [],
      number: [],
      bytes: [],
      keyframe: [],
    },
    gaps,
    next_us: null,
  }
  stretches.forEach((stretch, position) => {
    let at = stretch.start_us
    stretch.durations_us.forEach((duration, number) => {
      result.fragments.run.push(position)
      result.fragments.start_us.push(at)
      result.fragments.duration_us.push(duration)
      result.fragments.segment_id.push(`${stretch.run.run_id}-0`)
      result.fragments.number.push(number)
      result.fragments.bytes.push(500_000)
      result.fragments.keyframe?.push(stretch.keyframes?.[number] ?? true)
      at += duration
    })
  })
  return result
}

export const S = 1_000_000
