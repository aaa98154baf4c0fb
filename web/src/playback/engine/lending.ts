/**
 * Footage that only the camera's own device has: which, and having it fetched where the clock comes.
 *
 * What is fetched stands in the index like any footage, and plays like any; while the clock moves on
 * there, the gateway is asked again, which keeps it fetching ahead.
 */

import { isAbort } from '@/api/errors'
import type { DeviceRecordings, Interval, LentStretch } from '@/api/types'

import { PlaybackError } from './errors'
import { covering, merge } from './intervals'

const ASK_EVERY_MS = 1_000
/** Which recordings there are is asked for by so much, on whole multiples of it. */
const CHUNK_US = 6 * 3_600_000_000
const CHUNK_KEPT_MS = 60_000

export interface LendingHooks {
  recordings(range: Interval, signal: AbortSignal): Promise<DeviceRecordings>
  borrow(at_us: number, signal: AbortSignal): Promise<LentStretch>
  wallClockUs(): number
  /** Something of this range may stand in the index now. */
  onFetched(range: Interval): void
  onChange(): void
}

interface Chunk {
  asked_ms: number
  recordings: Interval[]
}

export class Lending {
  /** Why nothing comes, while nothing comes. */
  failure: PlaybackError | null = null
  private chunks = new Map<number, Chunk>()
  private chunkFlights = new Set<number>()
  private stretch: LentStretch | null = null
  private asked_ms = -Infinity
  private asking = false
  private controller = new AbortController()

  constructor(private hooks: LendingHooks) {}

  /** Whether the device has footage of this instant; false while that is not known yet. */
  holds(us: number, now_ms: number): boolean {
    const number = Math.floor(us / CHUNK_US)
    const chunk = this.chunks.get(number)
    if (!chunk || now_ms - chunk.asked_ms > CHUNK_KEPT_MS) this.loadChunk(number, now_ms)
    if (!chunk || !covering(chunk.recordings, us)) return false
    return !this.cameToNothing(us)
  }

  /** The device says that it has this, and gave nothing of it all the same. */
  private cameToNothing(us: number): boolean {
    const stretch = this.stretch
    if (!stretch || us < stretch.start_us || us >= stretch.end_us) return false
    return stretch.state === 'nothing' || (stretch.state === 'fetched' && us >= stretch.until_us)
  }

  /** Have it fetched from this instant on; call it as often as the clock ticks. */
  want(us: number, now_ms: number): void {
    if (this.asking || now_ms - this.asked_ms < ASK_EVERY_MS) return
    this.asking = true
    this.asked_ms = now_ms
    void this.ask(us)
  }

  close(): void {
    this.controller.abort()
    this.controller = new AbortController()
    this.asking = false
  }

  private async ask(us: number): Promise<void> {
    try {
      const before = this.stretch
      const stretch = await this.hooks.borrow(us, this.controller.signal)
      this.stretch = stretch
      this.failure =
        stretch.state === 'failed' ? new PlaybackError('device_failed', stretch.detail) : null
      const same = before?.start_us === stretch.start_us
      if (!same || before?.until_us !== stretch.until_us || before.state !== stretch.state) {
        this.hooks.onFetched({ start_us: stretch.start_us, end_us: Math.max(stretch.end_us, us + 1) })
      }
    } catch (error) {
      if (isAbort(error)) return
      this.failure = error instanceof PlaybackError ? error : new PlaybackError('unavailable', String(error))
    } finally {
      this.asking = false
      this.hooks.onChange()
    }
  }

  private loadChunk(number: number, now_ms: number): void {
    if (this.chunkFlights.has(number)) return
    this.chunkFlights.add(number)
    const start_us = number * CHUNK_US
    const end_us = Math.min(start_us + CHUNK_US, this.hooks.wallClockUs())
    if (end_us <= start_us) {
      this.chunkFlights.delete(number)
      return
    }
    this.hooks
      .recordings({ start_us, end_us }, this.controller.signal)
      .then((answer) => this.chunks.set(number, { asked_ms: now_ms, recordings: merge(answer.recordings) }))
      .catch((error: unknown) => {
        // Footage of the gateway's own plays all the same.
        if (!isAbort(error)) this.chunks.set(number, { asked_ms: now_ms, recordings: [] })
      })
      .finally(() => {
        this.chunkFlights.delete(number)
        this.hooks.onChange()
      })
  }
}
