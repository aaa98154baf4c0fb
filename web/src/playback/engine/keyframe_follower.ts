/** Keyframes alone, in either direction, at any rate: a strip that the video plays at its own pace. */

import { cellKeyframe, cellOf, cellSeconds, stripMediaTime, type Strip } from './buffer_policy'
import { correction } from './clock'
import { Fetcher } from './fetcher'
import type { Follower, FollowerStatus, Supply, Target } from './follower'
import { pictureTimes } from './fmp4'
import { fragmentKey } from './fragment_index'
import { BufferFull, Screen } from './screen'
import type { Fragment } from './wire'

const AHEAD_S = 2
const START_AHEAD_S = 0.4
const BEHIND_S = 5
const CACHED = 32
/** A decoder gives a picture out only when some more went in: the first one goes in several times. */
const PRIMING = 6
const PRIMING_STEP_S = 0.004
/** A picture that stays is put in again this often, so that the strip has no hole. */
const REPEAT_S = 0.5

interface Cell {
  number: number
  fragment: Fragment
}

export class KeyframeFollower implements Follower {
  readonly fetcher = new Fetcher(4)
  private strip: Strip | null = null
  private nextCell = 0
  private filledTo_s = 0
  private lastPut: { key: string; at_s: number } | null = null
  private appending = false
  private cache = new Map<string, Uint8Array<ArrayBuffer>>()
  private missing = new Set<string>()
  private rebased = false

  constructor(
    readonly screen: Screen,
    private supply: Supply,
  ) {}

  follow(target: Target): FollowerStatus {
    const { video } = this.screen
    if (this.screen.failure) return 'failed'
    const strip = this.stripFor(target)
    this.pump(strip, target)
    const media_s = stripMediaTime(strip, target.us)
    if (media_s >= this.filledTo_s || (this.rebased && this.filledTo_s < media_s + START_AHEAD_S / 2)) {
      if (!video.paused) video.pause()
      return this.fetcher.failure && !this.fetcher.failure.passing ? 'failed' : 'waiting'
    }
    if (video.seeking) return 'waiting'
    if (this.rebased) {
      video.currentTime = media_s + 0.0005
      this.rebased = false
      return 'waiting'
    }
    const late_s = media_s - video.currentTime
    if (!target.running) {
      if (!video.paused) video.pause()
      return video.readyState >= 2 ? 'ready' : 'waiting'
    }
    if (video.paused) {
      if (video.readyState < 2) return 'waiting'
      if (Math.abs(late_s) > 0.2) video.currentTime = media_s
      video.playbackRate = 1
      video.play().catch(() => undefined)
      return 'ready'
    }
    if (video.readyState < 3 && late_s > 0.2) return 'waiting'
    const step = correction(late_s, 1)
    if (step.kind === 'seek') video.currentTime = media_s
    else if (Math.abs(video.playbackRate - step.rate) > 0.004) video.playbackRate = step.rate
    return 'ready'
  }

  jumped(): void {
    this.strip = null
  }

  close(): void {
    this.fetcher.abort()
    this.screen.close()
  }

  /** The strip in force; a jump or another rate begins a new one, further on in media time. */
  private stripFor(target: Target): Strip {
    const cell_s = cellSeconds(target.cameras)
    if (!this.strip || this.strip.rate !== target.rate || this.strip.cell_s !== cell_s) {
      const base_s = this.strip || this.filledTo_s ? Math.ceil(this.filledTo_s) + 5 : 0
      this.strip = { anchor_us: target.us, base_s, rate: target.rate, cell_s }
      this.nextCell = 0
      this.filledTo_s = base_s
      this.lastPut = null
      this.rebased = true
      this.fetcher.abort()
    }
    return this.strip
  }

  private pump(strip: Strip, target: Target): void {
    const at = cellOf(strip, target.us)
    if (this.nextCell < at) this.nextCell = at
    const last = at + Math.ceil(AHEAD_S / strip.cell_s)
    for (let cell = this.nextCell; cell <= last && this.fetcher.free; cell += 1) {
      const fragment = cellKeyframe(this.supply.index, strip, cell)
      if (!fragment) continue
      const key = fragmentKey(fragment)
      if (this.cache.has(key) || this.missing.has(key) || this.fetcher.has(key)) continue
      this.fetcher.start(key, (signal) => this.fetch(fragment, signal))
    }
    if (!this.appending) void this.fill(strip, last)
  }

  private async fetch(fragment: Fragment, signal: AbortSignal): Promise<void> {
    const key = fragmentKey(fragment)
    try {
      const bytes = await this.supply.keyframe(fragment, signal)
      this.cache.set(key, bytes)
      const oldest = this.cache.keys().next().value
      if (this.cache.size > CACHED && oldest !== undefined) this.cache.delete(oldest)
      this.supply.changed()
    } catch (error) {
      if ((error as { code?: string }).code !== 'not_found') throw error
      this.missing.add(key)
      this.supply.stale([fragment])
    }
  }

  /** Append the cells whose keyframes are here, in order. */
  private async fill(strip: Strip, last: number): Promise<void> {
    this.appending = true
    try {
      while (this.strip === strip && this.nextCell <= last) {
        const fragment = cellKeyframe(this.supply.index, strip, this.nextCell)
        if (fragment && !(await this.put(strip, { number: this.nextCell, fragment }))) break
        if (this.strip !== strip) return
        this.nextCell += 1
        // A hole is left open only as long as its footage is: the clock decides what to do in it.
        if (fragment) this.filledTo_s = strip.base_s + this.nextCell * strip.cell_s
        else break
      }
      const { video } = this.screen
      const drop_s = Math.min(video.currentTime, this.filledTo_s) - BEHIND_S
      if (drop_s > BEHIND_S) {
        await this.screen.remove({ start_us: this.screen.wallClock(0), end_us: this.screen.wallClock(drop_s) })
      }
    } catch (error) {
      if (!(error instanceof BufferFull)) this.fetcher.failure = this.screen.failure
    } finally {
      this.appending = false
    }
  }

  private async put(strip: Strip, cell: Cell): Promise<boolean> {
    const key = fragmentKey(cell.fragment)
    if (this.missing.has(key)) return true
    const bytes = this.cache.get(key)
    if (!bytes) return false
    const at_s = strip.base_s + cell.number * strip.cell_s
    const lasts_s = Math.min(REPEAT_S, (cell.fragment.end_us - cell.fragment.start_us) * 0.9e-6)
    const held = this.lastPut?.key === key && at_s - this.lastPut.at_s < lasts_s - 1e-6
    if (held) return true
    const { run } = cell.fragment
    const init = await this.supply.init(run, new AbortController().signal)
    const shown_us = init.track ? (pictureTimes(bytes, init.track)[0] ?? 0) : 0
    const times = this.lastPut ? 1 : PRIMING
    for (let i = 0; i < times; i += 1) {
      const offset_s = at_s + i * PRIMING_STEP_S - shown_us / 1e6
      await this.screen.append(run, init, bytes, null, offset_s)
    }
    this.lastPut = { key, at_s }
    return true
  }
}
