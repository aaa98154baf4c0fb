/** One kind of fetch of one follower: at most some in flight, retried with growing pauses. */

import { isAbort } from '@/api/errors'

import { PlaybackError } from './errors'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8_000
const QUEUE_PAUSE_MS = 1_000

export class Fetcher {
  failure: PlaybackError | null = null
  private flights = new Map<string, AbortController>()
  private notBefore = 0
  private pause_ms = FIRST_PAUSE_MS

  constructor(private limit: number) {}

  has(key: string): boolean {
    return this.flights.has(key)
  }

  /** Whether another flight may start. */
  get free(): boolean {
    if (this.failure && !this.failure.passing) return false
    return this.flights.size < this.limit && performance.now() >= this.notBefore
  }

  start(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController()
    this.flights.set(key, controller)
    work(controller.signal)
      .then(() => {
        this.failure = null
        this.pause_ms = FIRST_PAUSE_MS
      })
      .catch((error: unknown) => {
        if (isAbort(error) || controller.signal.aborted) return
        this.failure =
          error instanceof PlaybackError ? error : new PlaybackError('undecodable', String(error))
        const queued = this.failure.code === 'queued'
        this.notBefore = performance.now() + (queued ? QUEUE_PAUSE_MS : this.pause_ms)
        this.pause_ms = Math.min(LONGEST_PAUSE_MS, this.pause_ms * 2)
      })
      .finally(() => {
        if (this.flights.get(key) === controller) this.flights.delete(key)
      })
  }

  /** End the flights that are no longer wanted. */
  abort(unwanted: (key: string) => boolean = () => true): void {
    for (const [key, controller] of this.flights) {
      if (unwanted(key)) {
        controller.abort()
        this.flights.delete(key)
      }
    }
  }

  /** Let a failed fetch try again at once. */
  retry(): void {
    this.failure = null
    this.notBefore = 0
    this.pause_ms = FIRST_PAUSE_MS
  }
}
