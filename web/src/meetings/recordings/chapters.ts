/** Chapters: who was on the program when, as a list to jump in and as flags on the timeline. */
import type { Bookmark } from '@/api/types'
import type { Row } from '@/playback/timeline/draw'

import type { Chapter, Track, TrackTimeline } from './api'

/** Turns of the same picture that follow each other at once are one to who reads the list. */
const JOINED_US = 1_500_000

export function joinedChapters(chapters: readonly Chapter[]): Chapter[] {
  const joined: Chapter[] = []
  for (const chapter of chapters) {
    const last = joined[joined.length - 1]
    const same = last !== undefined && last.participant_id === chapter.participant_id && last.kind === chapter.kind && last.why === chapter.why
    if (same && chapter.start_us - last.end_us <= JOINED_US) joined[joined.length - 1] = { ...last, end_us: Math.max(last.end_us, chapter.end_us) }
    else joined.push(chapter)
  }
  return joined
}

/** The number of the chapter that an instant lies in, or of the last one before it; -1 before the first. */
export function chapterAt(chapters: readonly Chapter[], us: number): number {
  let at = -1
  for (const [number, chapter] of chapters.entries()) if (chapter.start_us <= us) at = number
  return at
}

/** Where "next" and "previous" go: back to the beginning of a chapter that runs for longer than two seconds. */
export function neighbourStart(chapters: readonly Chapter[], us: number, direction: 1 | -1): number | null {
  if (direction > 0) return chapters.find(({ start_us }) => start_us > us + 1_000)?.start_us ?? null
  return chapters.filter(({ start_us }) => start_us < us - 2_000_000).pop()?.start_us ?? null
}

/** `0:07`, `12:30`, `1:05:09` into the recording. */
export function sinceStart(us: number): string {
  const whole = Math.max(0, Math.floor(us / 1e6))
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

export const isPicture = (track: Track): boolean => track.kind !== 'microphone'

/** The timeline's row of a track; the program carries the chapters as flags. */
export function rowOf(track: TrackTimeline, chapters: readonly Chapter[]): Row {
  const flags = track.kind !== 'program' ? [] : chapters.map((one, number): Bookmark => ({
    id: String(number), camera_id: track.footage_id, at_us: one.start_us, end_us: null, note: one.name, author: '', created_us: 0,
  }))
  return { camera_id: track.footage_id, spans: track.spans, added: [], on_device: [], gaps: track.gaps, bookmarks: flags, holds: [] }
}
