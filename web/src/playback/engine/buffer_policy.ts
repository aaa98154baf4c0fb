/** What to fetch next and what to let go: pure decisions over the index and what is buffered. */

import type { Interval } from '@/api/types'

import type { FragmentIndex } from './fragment_index'
import { contains } from './intervals'
import type { Fragment } from './wire'

export interface BufferLimits {
  /** How much to hold ahead at 1×, real seconds; the media seconds grow with the rate. */
  ahead_s: number
  behind_s: number
  /** The most bytes ahead, whatever their time. */
  ahead_bytes: number
  /** The most bytes and fragments of one request. */
  batch_bytes: number
  batch_fragments: number
}

/** Limits for one of `cameras` tiles: nine cameras hold no more than one did. */
export function limitsFor(cameras: number): BufferLimits {
  const share = Math.max(1, cameras)
  return {
    ahead_s: share > 4 ? 8 : 15,
    behind_s: share > 4 ? 6 : 20,
    ahead_bytes: Math.max(6e6, 60e6 / share),
    batch_bytes: Math.max(1e6, 6e6 / share),
    batch_fragments: 8,
  }
}

export interface BufferView {
  playhead_us: number
  rate: number
  buffered: readonly Interval[]
}

const TRANSCODED_BATCH = 2

/** By its middle: the edges are moved by rounding, by sound, and by pictures out of order. */
export function isBuffered(fragment: Fragment, buffered: readonly Interval[]): boolean {
  return contains(buffered, (fragment.start_us + fragment.end_us) / 2)
}

/**
 * The next fragments to append: one request's worth, of one run and one segment, consecutive; empty
 * when enough is ahead. Begins with the keyframe that the playhead needs.
 */
export function nextBatch(
  index: FragmentIndex,
  view: BufferView,
  limits: BufferLimits,
): Fragment[] {
  const { fragments } = index
  const holding = index.at(view.playhead_us)
  let position =
    holding >= 0 ? index.keyframeBefore(holding) : index.firstEndingAfter(view.playhead_us)
  const until_us = view.playhead_us + limits.ahead_s * 1e6 * Math.max(1, Math.abs(view.rate))
  let ahead_bytes = 0
  while (position < fragments.length && isBuffered(fragments[position], view.buffered)) {
    ahead_bytes += fragments[position].bytes
    position += 1
  }
  const batch: Fragment[] = []
  let batch_bytes = 0
  // The first picture must not wait for the rest of a batch: until it is there, ask for its GOP only.
  const urgent = holding >= 0 && position <= holding
  // Transcoded ones come one by one, so that asking for many means waiting for the last.
  const usual = fragments[position]?.run.transcode ? TRANSCODED_BATCH : limits.batch_fragments
  const most = urgent ? holding - position + 1 : usual
  for (; position < fragments.length && batch.length < most; position += 1) {
    const fragment = fragments[position]
    const first = batch[0]
    if (fragment.start_us >= until_us || ahead_bytes + fragment.bytes > limits.ahead_bytes) {
      if (!(urgent && batch.length < most && fragment.start_us <= view.playhead_us)) break
    }
    if (isBuffered(fragment, view.buffered)) break
    if (first) {
      if (fragment.segment_id !== first.segment_id || fragment.run !== first.run) break
      if (fragment.number !== first.number + batch.length) break
      if (batch_bytes + fragment.bytes > limits.batch_bytes) break
    }
    batch.push(fragment)
    batch_bytes += fragment.bytes
    ahead_bytes += fragment.bytes
  }
  return batch
}

/**
 * What to remove: all that is further behind the playhead, or further ahead of it, than the limits
 * allow. Slack keeps this from happening at each fragment.
 */
export function evictions(view: BufferView, limits: BufferLimits): Interval[] {
  const speed = Math.max(1, Math.abs(view.rate))
  const keep_from = view.playhead_us - limits.behind_s * 1e6 * speed
  const keep_to = view.playhead_us + (limits.ahead_s * 2 + 30) * 1e6 * speed
  const slack_us = 5e6
  const removed: Interval[] = []
  for (const range of view.buffered) {
    if (range.start_us < keep_from - slack_us) {
      removed.push({ start_us: range.start_us, end_us: Math.min(range.end_us, keep_from) })
    }
    if (range.end_us > keep_to + slack_us) {
      removed.push({ start_us: Math.max(range.start_us, keep_to), end_us: range.end_us })
    }
  }
  return removed
}

/**
 * A strip of keyframes in the order of showing, for fast and backward play: cell n is on screen for
 * `cell_s` seconds from media time `base_s + n · cell_s` on, and shows the last keyframe by
 * `anchor_us + n · cell_s · rate`. Time runs forward in it, whatever the direction of play.
 */
export interface Strip {
  anchor_us: number
  base_s: number
  rate: number
  cell_s: number
}

/** How long a keyframe stays on screen: a fast rate asks for no more pictures than can be seen. */
export function cellSeconds(cameras: number): number {
  return cameras > 4 ? 0.25 : cameras > 1 ? 0.16 : 0.1
}

export function stripMediaTime(strip: Strip, us: number): number {
  return strip.base_s + (us - strip.anchor_us) / (strip.rate * 1e6)
}

export function cellOf(strip: Strip, us: number): number {
  return Math.max(0, Math.floor((stripMediaTime(strip, us) - strip.base_s) / strip.cell_s + 1e-9))
}

/** The keyframe of a cell; null in a hole. */
export function cellKeyframe(index: FragmentIndex, strip: Strip, cell: number): Fragment | null {
  const us = strip.anchor_us + cell * strip.cell_s * strip.rate * 1e6
  const position = index.lastKeyframeBy(us)
  return position >= 0 && index.unbroken(position, us) ? index.fragments[position] : null
}
