import { describe, expect, it } from 'vitest'

import type { Chapter, Render, TrackTimeline } from './api'
import { chapterAt, joinedChapters, neighbourStart, rowOf, sinceStart } from './chapters'
import { recordingCommandOf } from './keyboard'
import { isRendering, renderPercent } from './render'

const S = 1_000_000
const turn = (name: string, from_s: number, to_s: number, why = 'speaker'): Chapter =>
  ({ participant_id: name, name, kind: 'camera', why, start_us: from_s * S, end_us: to_s * S })

describe('chapters', () => {
  const chapters = [turn('chair', 0, 10, 'chair'), turn('a', 10, 30), turn('b', 30, 31), turn('a', 60, 90)]

  it('joins turns of the same picture for the same reason, and nothing across a pause', () => {
    const pieces = [turn('a', 0, 5), turn('a', 6, 9), turn('a', 9, 12, 'floor'), turn('a', 20, 25, 'floor')]
    expect(joinedChapters(pieces)).toEqual([turn('a', 0, 9), turn('a', 9, 12, 'floor'), turn('a', 20, 25, 'floor')])
  })

  it('finds the one that an instant lies in, or that was last', () => {
    expect(chapterAt(chapters, -1)).toBe(-1)
    expect(chapterAt(chapters, 10 * S)).toBe(1)
    expect(chapterAt(chapters, 45 * S)).toBe(2)
  })

  it('goes on to the next, back to the beginning of this one, and from there to the one before', () => {
    expect(neighbourStart(chapters, 15 * S, 1)).toBe(30 * S)
    expect(neighbourStart(chapters, 70 * S, 1)).toBeNull()
    expect(neighbourStart(chapters, 15 * S, -1)).toBe(10 * S)
    expect(neighbourStart(chapters, 11 * S, -1)).toBe(0)
    expect(neighbourStart(chapters, 0, -1)).toBeNull()
  })

  it('stand on the row of the program alone', () => {
    const track = (kind: TrackTimeline['kind']): TrackTimeline =>
      ({ footage_id: `m.${kind}`, kind, participant_id: null, name: null, spans: [{ start_us: 0, end_us: S }], gaps: [] })
    expect(rowOf(track('program'), chapters).bookmarks.map((one) => [one.at_us, one.note])).toEqual([[0, 'chair'], [10 * S, 'a'], [30 * S, 'b'], [60 * S, 'a']])
    expect(rowOf(track('camera'), chapters).bookmarks).toEqual([])
  })

  it('say how far into the recording they are', () => {
    expect([0, 67 * S, 3909 * S, -5].map(sinceStart)).toEqual(['0:00', '1:07', '1:05:09', '0:00'])
  })
})

describe('the MP4', () => {
  const render = (state: Render['state'], done_us: number): Render =>
    ({ state, layout: 'speaker', done_us, total_us: 10 * S, bytes: null, sha256: null, message: null })

  it('is a hundred percent only when it is done', () => {
    expect(renderPercent(null)).toBeNull()
    expect(renderPercent(render('queued', 0))).toBe(0)
    expect(renderPercent(render('running', 10 * S))).toBe(99)
    expect(renderPercent(render('done', 10 * S))).toBeNull()
    expect(isRendering(render('failed', S))).toBe(false)
  })
})

describe('keys', () => {
  const stroke = (key: string): Parameters<typeof recordingCommandOf>[0] => ({ key, code: '', shiftKey: false, ctrlKey: false, altKey: false, metaKey: false })

  it('are those of playback, and brackets for chapters, also from a Chinese keyboard', () => {
    expect(recordingCommandOf(stroke(' '))).toEqual({ kind: 'toggle' })
    expect(recordingCommandOf(stroke(']'))).toEqual({ kind: 'chapter', direction: 1 })
    expect(recordingCommandOf(stroke('【'))).toEqual({ kind: 'chapter', direction: -1 })
    expect(recordingCommandOf({ ...stroke('['), ctrlKey: true })).toBeNull()
  })

  it('leave out what a recording has not', () => {
    for (const key of ['b', 'i', 'o', 'x', 'Delete']) expect(recordingCommandOf(stroke(key))).toBeNull()
  })
})
