/** Fills a FragmentIndex by the hour as it is needed, and keeps asking at the open end. */

import { isAbort } from '@/api/errors'
import type { Interval } from '@/api/types'

import { PlaybackError } from './errors'
import { fetchIndex } from './footage_api'
import { FragmentIndex } from './fragment_index'
import { subtract } from './intervals'

const HOUR_US = 3_600_000_000
const POLL_MS = 1_000
const RETRY_MS = 2_000
/** Footage this young may not be in the index yet: its absence says nothing. */
export const SETTLING_US = 15_000_000

export class IndexLoader {
  readonly index = new FragmentIndex()
  failure: PlaybackError | null = null
  private loading = new Map<number, AbortController>()
  private notBefore = new Map<number, number>()

  constructor(
    private baseUrl: () => string,
    private range: () => Interval,
    private wallClockUs: () => number,
    private onChange: () => void,
  ) {}

  /** Make sure that the surroundings of an instant are known, or being asked for. */
  want(us: number, behind_us: number, ahead_us: number): void {
    const range = this.range()
    const now_us = this.wallClockUs()
    const from = Math.max(range.start_us, us - behind_us)
    const to = Math.min(range.end_us, us + ahead_us, now_us)
    for (let hour = Math.floor(from / HOUR_US); hour * HOUR_US < to; hour += 1) {
      const chunk = {
        start_us: Math.max(range.start_us, hour * HOUR_US),
        end_us: Math.min(range.end_us, (hour + 1) * HOUR_US),
      }
      const [missing] = subtract(
        { start_us: chunk.start_us, end_us: Math.min(chunk.end_us, now_us) },
        this.index.known,
      )
      if (missing) this.load(hour, { start_us: missing.start_us, end_us: chunk.end_us })
    }
  }

  /** Ask again for the hour of an instant: the server no longer has what the index promised. */
  invalidate(us: number): void {
    this.index.forget({ start_us: us - HOUR_US, end_us: us + HOUR_US })
  }

  /** Forget all: another session, perhaps on another server. */
  reset(): void {
    this.stop()
    this.index.clear()
    this.failure = null
  }

  stop(): void {
    for (const controller of this.loading.values()) controller.abort()
    this.loading.clear()
    this.notBefore.clear()
  }

  private load(hour: number, asked: Interval): void {
    if (this.loading.has(hour) || performance.now() < (this.notBefore.get(hour) ?? 0)) return
    const controller = new AbortController()
    this.loading.set(hour, controller)
    this.notBefore.set(hour, performance.now() + POLL_MS)
    void this.fetchAll(hour, asked, controller)
  }

  private async fetchAll(hour: number, asked: Interval, controller: AbortController): Promise<void> {
    try {
      let from: number | null = asked.start_us
      while (from !== null && from < asked.end_us) {
        const range: Interval = { start_us: from, end_us: asked.end_us }
        const answer = await fetchIndex(this.baseUrl(), range, controller.signal)
        if (controller.signal.aborted) return
        const next: number | null =
          answer.next_us !== null && answer.next_us > from ? answer.next_us : null
        const settled_us = this.wallClockUs() - SETTLING_US
        this.index.add(answer, { start_us: from, end_us: next ?? asked.end_us }, settled_us)
        from = next
        this.failure = null
      }
    } catch (error) {
      if (isAbort(error)) return
      this.failure =
        error instanceof PlaybackError ? error : new PlaybackError('unavailable', String(error))
      this.notBefore.set(hour, performance.now() + RETRY_MS)
    } finally {
      if (this.loading.get(hour) === controller) this.loading.delete(hour)
      if (!controller.signal.aborted) this.onChange()
    }
  }
}
