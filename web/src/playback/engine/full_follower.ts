/** Every picture, forwards, up to 4×; and the exact picture of an instant while paused. */

import type { Interval } from '@/api/types'

import { evictions, isBuffered, limitsFor, nextBatch, type BufferView } from './buffer_policy'
import { correction, DEAD_BAND_S, SEEK_BEYOND_S } from './clock'
import { Fetcher } from './fetcher'
import type { Follower, FollowerStatus, Supply, Target } from './follower'
import { fragmentKey } from './fragment_index'
import { contains, covering } from './intervals'
import { BufferFull, Screen } from './screen'
import type { Fragment } from './wire'

/** Half a millisecond into a picture: media time is rounded to microseconds twice on its way. */
const INTO_PICTURE_S = 0.0005
/** Footage that must be held ahead for playing to begin, real seconds. */
const START_AHEAD_S = 0.25
/** A busy machine takes seconds for a seek; more than this, and nothing can be said. */
const LONGEST_SEEK_S = 3

export class FullFollower implements Follower {
  readonly fetcher = new Fetcher(1)
  /** Seeks that were needed to stay on the clock: a machine too slow for the rate makes many. */
  drift_seeks = 0
  private inFlight: readonly Fragment[] = []
  private squeeze = 1
  private seekLatency_s = 0.05
  private seekStarted_ms = 0
  private starting = false
  /** The clock jumped away from where the video still seeks to: at the very end of what it holds it may seek for ever. */
  private overtaken = false

  constructor(
    readonly screen: Screen,
    private supply: Supply,
    private onMuted: () => void,
  ) {
    screen.video.addEventListener('seeked', () => {
      if (!this.seekStarted_ms) return
      const took_s = Math.min((performance.now() - this.seekStarted_ms) / 1000, LONGEST_SEEK_S)
      // Believed at once when longer: who aims too near never catches up with a running clock.
      this.seekLatency_s = Math.max(took_s, this.seekLatency_s + (took_s - this.seekLatency_s) * 0.3)
      this.seekStarted_ms = 0
    })
  }

  follow(target: Target): FollowerStatus {
    const buffered = this.screen.buffered()
    this.pump(target, buffered)
    if (this.screen.failure) return 'failed'
    const { video } = this.screen
    if (!contains(buffered, target.us)) {
      if (!video.paused) video.pause()
      const edge = this.edgeOf(target.us, buffered)
      if (edge !== null) return this.standAtEdge(edge, target)
      return this.fetcher.failure && !this.fetcher.failure.passing ? 'failed' : 'waiting'
    }
    if (video.seeking && !this.overtaken) return 'waiting'
    return target.running ? this.play(target) : this.stand(target)
  }

  jumped(us: number): void {
    this.overtaken = this.screen.video.seeking
    const holds = (f: Fragment) => f.start_us <= us && f.end_us > us
    if (this.inFlight.length && !this.inFlight.some(holds)) {
      const needed = this.supply.index.at(us)
      const fragment = needed >= 0 ? this.supply.index.fragments[needed] : null
      if (!fragment || !contains(this.screen.buffered(), us)) this.fetcher.abort()
    }
  }

  close(): void {
    this.fetcher.abort()
    this.screen.close()
  }

  /** Whether enough is held to go on from here without stopping at once. */
  private prepared(target: Target): boolean {
    const held = covering(this.screen.buffered(), target.us)
    if (!held) return false
    const footage_end = this.supply.index.footageEnd(target.us) ?? held.end_us
    const wanted = target.us + START_AHEAD_S * 1e6 * target.rate
    return held.end_us >= Math.min(wanted, footage_end - 50_000)
  }

  /**
   * Where to stand for an instant inside a fragment that is held, but before its first picture or
   * behind its last one; null when the fragment is yet to come.
   */
  private edgeOf(us: number, buffered: readonly Interval[]): number | null {
    const fragment = this.supply.index.fragments[this.supply.index.at(us)]
    if (!fragment || !isBuffered(fragment, buffered)) return null
    const held = covering(buffered, (fragment.start_us + fragment.end_us) / 2)
    if (!held) return null
    return us < held.start_us ? held.start_us : held.end_us - 1_000
  }

  private standAtEdge(edge_us: number, target: Target): FollowerStatus {
    const { video } = this.screen
    if (video.seeking && !this.overtaken) return 'waiting'
    const wanted_s = this.screen.mediaTime(edge_us) + INTO_PICTURE_S
    if (Math.abs(video.currentTime - wanted_s) > 0.05 && !(target.running && edge_us < target.us)) {
      this.seek(wanted_s)
      return 'waiting'
    }
    return video.readyState >= 2 ? 'ready' : 'waiting'
  }

  private stand(target: Target): FollowerStatus {
    const { video } = this.screen
    if (!video.paused) video.pause()
    // Only as far into the picture as its own start is unsafe: what comes just before the next picture
    // must not become the next.
    const { shown } = this.screen.picturesAround(target.us)
    const start_s = this.screen.mediaTime(shown ?? target.us) + INTO_PICTURE_S
    const wanted_s = Math.max(this.screen.mediaTime(target.us), start_s)
    if (Math.abs(video.currentTime - wanted_s) > 0.0002) {
      this.seek(wanted_s)
      return 'waiting'
    }
    return video.readyState >= 2 && this.prepared(target) ? 'ready' : 'waiting'
  }

  private play(target: Target): FollowerStatus {
    const { video } = this.screen
    const late_s = this.screen.mediaTime(target.us) - video.currentTime
    if (video.paused) {
      if (!this.prepared(target)) return 'waiting'
      const late_real_s = late_s / target.rate
      // Aimed ahead: the clock comes to this picture.
      if (late_real_s < -DEAD_BAND_S && late_real_s > -LONGEST_SEEK_S) return 'waiting'
      if (Math.abs(late_real_s) > SEEK_BEYOND_S) {
        this.seek(video.currentTime + late_s + this.seekLatency_s * target.rate)
        return 'waiting'
      }
      if (video.readyState < 2) return 'waiting'
      this.setRate(target.rate)
      this.start()
      return 'ready'
    }
    if (video.readyState < 3 && late_s / target.rate > SEEK_BEYOND_S / 2) return 'waiting'
    if (target.leads) {
      this.setRate(target.rate)
      return 'ready'
    }
    const step = correction(late_s, target.rate)
    if (step.kind === 'rate') {
      this.setRate(step.rate)
    } else {
      this.drift_seeks += 1
      this.seek(video.currentTime + late_s + this.seekLatency_s * target.rate)
    }
    return 'ready'
  }

  private seek(media_s: number): void {
    this.overtaken = false
    this.seekStarted_ms = performance.now()
    this.screen.video.currentTime = media_s
  }

  private setRate(rate: number): void {
    const { video } = this.screen
    // Each change of rate costs the sound a click: small ones are not worth it.
    const bounded = Math.max(0.1, Math.min(15, rate))
    if (Math.abs(video.playbackRate - bounded) > bounded * 0.004) video.playbackRate = bounded
  }

  private start(): void {
    if (this.starting) return
    this.starting = true
    this.screen.video
      .play()
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === 'NotAllowedError') {
          this.screen.video.muted = true
          this.onMuted()
        }
      })
      .finally(() => {
        this.starting = false
      })
  }

  private pump(target: Target, buffered: BufferView['buffered']): void {
    const limits = limitsFor(target.cameras)
    limits.ahead_bytes *= this.squeeze
    limits.behind_s *= this.squeeze
    const view: BufferView = {
      playhead_us: target.us,
      rate: target.rate,
      buffered,
    }
    for (const range of evictions(view, limits)) void this.screen.remove(range)
    if (!this.fetcher.free) return
    const batch = nextBatch(this.supply.index, view, limits)
    if (batch.length === 0 || !this.screen.accepts(batch[0].run)) return
    this.inFlight = batch
    this.fetcher.start('batch', (signal) => this.fetch(batch, signal))
  }

  private async fetch(batch: Fragment[], signal: AbortSignal): Promise<void> {
    const { run } = batch[0]
    try {
      const [init, media] = await Promise.all([
        this.supply.init(run, signal),
        this.supply.fragments(batch, signal),
      ])
      if (signal.aborted) return
      await this.screen.append(run, init, media, fragmentKey(batch[0]))
    } catch (error) {
      if (error instanceof BufferFull) {
        // The browser's own limit is lower than ours: live with less, from now on.
        this.squeeze = Math.max(0.1, this.squeeze * 0.6)
        return
      }
      if ((error as { code?: string }).code === 'not_found') {
        this.supply.stale(batch)
        return
      }
      throw error
    }
    const buffered = this.screen.buffered()
    for (const fragment of batch) {
      if (!isBuffered(fragment, buffered)) this.supply.index.exclude(fragment)
    }
    this.supply.changed()
  }
}
