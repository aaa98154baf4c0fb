/** Which fragments exist, and where: a sorted copy of the server's index, as far as it was asked for. */

import type { Gap, Interval } from '@/api/types'

import { covering, merge, subtract, upperBound } from './intervals'
import { isSound, type Fragment, type IndexAnswer, type Run } from './wire'

/** A hole that no one sees: shorter than this, two fragments count as joined. */
export const JOIN_US = 300_000

export class FragmentIndex {
  fragments: Fragment[] = []
  /** The ranges of which everything is known. */
  known: Interval[] = []
  private gapList: Gap[] = []
  private runs = new Map<string, Run>()
  private excluded = new Map<string, Interval>()

  /**
   * Take an answer as the whole truth about `asked` (it replaces what was known of that range).
   * Behind the last fragment, the range counts as known only up to `settled_us`: what follows may
   * still be on its way into the index.
   */
  add(answer: IndexAnswer, asked: Interval, settled_us = Infinity): void {
    const runs = answer.runs.map((run) => this.sameRun(run))
    const columns = answer.fragments
    const fresh: Fragment[] = columns.start_us.map((start_us, i) => ({
      run: runs[columns.run[i]],
      start_us,
      end_us: start_us + columns.duration_us[i],
      segment_id: columns.segment_id[i],
      number: columns.number[i],
      bytes: columns.bytes[i],
      keyframe: columns.keyframe ? columns.keyframe[i] : true,
    }))
    const stays = this.fragments.filter(
      (f) => f.end_us <= asked.start_us || f.start_us >= asked.end_us,
    )
    const keys = new Set(fresh.map(fragmentKey))
    this.fragments = stays
      .filter((f) => !keys.has(fragmentKey(f)))
      .concat(fresh.filter((f) => !this.excluded.has(fragmentKey(f))))
      .sort((a, b) => a.start_us - b.start_us)
    this.gapList = this.gapList
      .filter((g) => g.end_us <= asked.start_us || g.start_us >= asked.end_us)
      .concat(answer.gaps)
      .sort((a, b) => a.start_us - b.start_us)
    const last_us = fresh.reduce((end, f) => Math.max(end, f.end_us), asked.start_us)
    const known_to = Math.min(asked.end_us, Math.max(last_us, settled_us))
    this.known = merge(this.known.concat({ start_us: asked.start_us, end_us: known_to }))
  }

  /** Let a range be asked for again; its fragments stay until the answer replaces them. */
  forget(range: Interval): void {
    this.known = this.known.flatMap((k) => subtract(k, [range]))
  }

  /** Treat a fragment that cannot be had, or not be decoded, as the gap that it is. */
  exclude(fragment: Fragment): void {
    this.excluded.set(fragmentKey(fragment), fragment)
    this.fragments = this.fragments.filter((f) => f !== fragment)
  }

  clear(): void {
    this.excluded.clear()
    this.fragments = []
    this.known = []
    this.gapList = []
    this.runs.clear()
  }

  isKnown(us: number): boolean {
    return covering(this.known, us) !== undefined
  }

  /** How far, from `us` on, the index is known; `us` itself when it is not. */
  knownUntil(us: number): number {
    return covering(this.known, us)?.end_us ?? us
  }

  /** How far back from `us` the index is known. */
  knownSince(us: number): number {
    return covering(this.known, us)?.start_us ?? us
  }

  /** Position of the fragment that holds the instant, or −1. */
  at(us: number): number {
    const position = this.lastStartingBy(us)
    return position >= 0 && this.fragments[position].end_us > us ? position : -1
  }

  /** Position of the first fragment that ends after the instant (length when there is none). */
  firstEndingAfter(us: number): number {
    let position = upperBound(this.fragments.length, (i) => this.fragments[i].start_us, us)
    while (position > 0 && this.fragments[position - 1].end_us > us) position -= 1
    return position
  }

  /** Position of the last fragment that starts at the instant or before it, or −1. */
  lastStartingBy(us: number): number {
    return upperBound(this.fragments.length, (i) => this.fragments[i].start_us, us) - 1
  }

  /** Where decoding must begin to show what the fragment at `position` holds. */
  keyframeBefore(position: number): number {
    const run = this.fragments[position]?.run
    // Sound alone may be entered anywhere.
    if (run === undefined || isSound(run)) return position
    let at = position
    while (at > 0 && !this.fragments[at].keyframe && this.fragments[at - 1].run === run) at -= 1
    return at
  }

  /** Position of the last keyframe fragment that starts at the instant or before it, or −1. */
  lastKeyframeBy(us: number): number {
    let position = this.lastStartingBy(us)
    while (position >= 0 && !this.fragments[position].keyframe) position -= 1
    return position
  }

  /** The end of the unbroken footage that holds the instant; null in a hole. */
  footageEnd(us: number): number | null {
    let position = this.at(us)
    if (position < 0) return null
    while (
      position + 1 < this.fragments.length &&
      this.fragments[position + 1].start_us - this.fragments[position].end_us <= JOIN_US
    ) {
      position += 1
    }
    return this.fragments[position].end_us
  }

  /** Whether footage goes on without a hole from the fragment at `position` to the instant. */
  unbroken(position: number, us: number): boolean {
    let at = position
    while (this.fragments[at].end_us <= us) {
      const next = this.fragments[at + 1]
      if (!next || next.start_us - this.fragments[at].end_us > JOIN_US) return false
      if (next.start_us > us) return true
      at += 1
    }
    return true
  }

  /**
   * The gap at an instant, null where there is footage. Without a row about it, its cause is
   * `unknown` between footage, and `none` where footage ends and nothing is known of more.
   */
  gapAt(us: number): Gap | null {
    if (this.at(us) >= 0) return null
    const named = covering(this.gapList, us)
    if (named) return named
    const next = this.firstEndingAfter(us)
    const before = this.lastStartingBy(us)
    for (const { start_us, end_us } of this.excluded.values()) {
      if (start_us <= us && us < end_us) return { start_us, end_us, cause: 'unplayable' }
    }
    const between = before >= 0 && next < this.fragments.length
    return {
      start_us: before >= 0 ? this.fragments[before].end_us : this.knownSince(us),
      end_us: next < this.fragments.length ? this.fragments[next].start_us : this.knownUntil(us),
      cause: between ? 'unknown' : 'none',
    }
  }

  private sameRun(run: Run): Run {
    const held = this.runs.get(run.run_id)
    if (held && held.mime === run.mime && held.transcode === run.transcode) return held
    this.runs.set(run.run_id, run)
    return run
  }
}

export function fragmentKey(fragment: { segment_id: string; number: number }): string {
  return `${fragment.segment_id}/${fragment.number}`
}
