/** One camera: its index, its screens, and which of them is seen. */

import { PlaybackError } from './errors'
import {
  borrow,
  fetchDeviceRecordings,
  fetchFragments,
  fetchInit,
  fetchKeyframe,
  type FootageSession,
} from './footage_api'
import type { CameraState, Follower, FollowerStatus, Supply, Target } from './follower'
import { FullFollower } from './full_follower'
import { fragmentKey } from './fragment_index'
import { IndexLoader, SETTLING_US } from './index_loader'
import { KeyframeFollower } from './keyframe_follower'
import { Lending } from './lending'
import { readInit, Screen, type RunInit } from './screen'
import { isSound, type Fragment, type Run } from './wire'

/** Media time 0 lies this long before the first instant shown, so that going back needs no new screen. */
const ORIGIN_BEFORE_US = 6 * 3_600_000_000
const DECODE_RETRIES = 3
/** So much of borrowed footage is kept fetched ahead of the clock, real seconds. */
const LENT_AHEAD_US = 60_000_000
/** Drift seeks within {@link SLOW_WINDOW_MS} that say: this machine cannot decode every picture. */
const SLOW_SEEKS = 6
const SLOW_WINDOW_MS = 10_000

export type Mode = 'full' | 'keyframes'

export interface CameraHooks {
  /** Whether a device or platform brings the camera, and may have footage of its own. */
  hasDevice(camera_id: string): boolean
  session(): FootageSession
  wallClockUs(): number
  /** The server no longer knows the session. */
  onSessionLost(): void
  onSoundBlocked(): void
}

export class CameraPlayer implements Supply {
  readonly camera_id: string
  readonly loader: IndexLoader
  status: FollowerStatus = 'unknown'
  /** Since when the camera keeps the clock waiting; null when it does not. */
  waiting_since_ms: number | null = null
  /** Nothing was shown since the last jump. */
  cold = true
  wants_sound = false
  private shown: Follower | null = null
  private coming: Follower | null = null
  private inits = new Map<string, Promise<RunInit>>()
  private failure: PlaybackError | null = null
  private decodeRetries = 0
  private slowUntil_ms = 0
  private slowSeeks = 0
  private slowSince_ms = 0
  private volume_ = 1
  private askedAgain = new Set<string>()
  private lending: Lending
  private borrowing = false

  constructor(
    camera_id: string,
    private host: HTMLElement,
    private hooks: CameraHooks,
    private onChange: () => void,
  ) {
    this.camera_id = camera_id
    this.loader = new IndexLoader(
      () => this.baseUrl,
      () => this.hooks.session(),
      hooks.wallClockUs,
      onChange,
    )
    this.lending = new Lending({
      recordings: (range, signal) => fetchDeviceRecordings(camera_id, range, signal),
      borrow: (at_us, signal) => this.guarded(borrow(this.baseUrl, at_us, signal)),
      wallClockUs: hooks.wallClockUs,
      onFetched: (range) => this.index.forget(range),
      onChange,
    })
  }

  get index() {
    return this.loader.index
  }

  get baseUrl(): string {
    return this.hooks.session().base_urls.get(this.camera_id) ?? ''
  }

  /** The element whose picture is seen; null before the first one. */
  get video(): HTMLVideoElement | null {
    return this.shown?.screen.video ?? null
  }

  get mode(): Mode | null {
    if (!this.shown) return null
    return this.shown instanceof FullFollower ? 'full' : 'keyframes'
  }

  /** Where the picture on screen really is, against where the clock is; seconds, null when unseen. */
  drift_s(us: number): number | null {
    if (!(this.shown instanceof FullFollower) || this.status !== 'ready') return null
    return (this.shown.screen.position_us - us) / 1e6
  }

  /** Move towards the target. `playing`: the user wants it to move, whether or not it does now. */
  follow(target: Target, playing: boolean): FollowerStatus {
    this.status = this.step(target, playing)
    if (this.status === 'waiting' || this.status === 'unknown') {
      this.waiting_since_ms ??= target.now_ms
    } else {
      this.waiting_since_ms = null
      if (this.status === 'ready') this.cold = false
    }
    return this.status
  }

  private step(target: Target, playing: boolean): FollowerStatus {
    const { loader, index } = this
    // The session may still be that of other cameras.
    if (!this.baseUrl) return 'unknown'
    const speed = Math.max(1, Math.abs(target.rate))
    const far_us = 30e6 * speed
    loader.want(target.us, target.rate < 0 ? far_us + 60e6 : 60e6, target.rate < 0 ? 5e6 : far_us)
    if (this.failure) return 'failed'
    const position = index.at(target.us)
    this.borrowing = false
    if (this.hooks.hasDevice(this.camera_id)) this.borrowAhead(target, speed)
    if (position < 0) {
      if (this.tinyHole(target.us)) return this.status
      if (target.running || !playing) this.shown?.screen.video.pause()
      if (this.borrowing) return 'waiting'
      if (index.isKnown(target.us)) {
        this.prefetch(target, playing)
        return 'gap'
      }
      if (loader.failure && !loader.failure.passing) return 'failed'
      return this.isYoung(target.us) ? 'edge' : 'unknown'
    }
    const { run } = index.fragments[position]
    const mode: Mode = playing ? this.modeFor(target) : 'full'
    if (mode === 'keyframes' && isSound(run)) {
      // Nobody waits for a voice that cannot be heard backwards or in haste.
      this.shown?.screen.video.pause()
      return 'gap'
    }
    return this.showOn(this.followerFor(mode, run, target), target)
  }

  /** Where the footage ends before the clock will, and the device has more, that is fetched. */
  private borrowAhead(target: Target, speed: number): void {
    const { index, lending } = this
    const end_us = index.footageEnd(target.us)
    const at_us = end_us ?? target.us
    if (at_us - target.us > LENT_AHEAD_US * speed || this.isYoung(at_us)) return
    if (end_us === null && !index.isKnown(at_us) && !this.wasBorrowing(at_us)) return
    if (!lending.holds(at_us, target.now_ms)) return
    lending.want(at_us, target.now_ms)
    this.borrowing = end_us === null
    if (this.borrowing) this.borrowedAt_us = at_us
  }

  private borrowedAt_us = -Infinity

  /** What is being fetched is forgotten and asked for again and again: meanwhile it is not unknown. */
  private wasBorrowing(us: number): boolean {
    return Math.abs(us - this.borrowedAt_us) < 10e6
  }

  /** In a gap, the first footage behind it is made ready. */
  private prefetch(target: Target, playing: boolean): void {
    if (!playing || target.rate < 0 || !(this.shown instanceof FullFollower)) return
    const next = this.index.fragments[this.index.firstEndingAfter(target.us)]
    if (next && next.start_us - target.us < 10e6 * target.rate && this.shown.screen.accepts(next.run)) {
      this.shown.follow({ ...target, running: false, us: next.start_us })
    }
  }

  /** A hole too short to be called a gap: the picture before it stays. */
  private tinyHole(us: number): boolean {
    const { index } = this
    const before = index.lastStartingBy(us)
    return before >= 0 && index.unbroken(before, us) && this.status === 'ready'
  }

  /** Whether footage of an instant may still be on its way into the index. */
  private isYoung(us: number): boolean {
    return us > this.hooks.wallClockUs() - SETTLING_US - 5_000_000
  }

  private modeFor(target: Target): Mode {
    if (target.rate < 0 || target.rate > 4) return 'keyframes'
    return target.rate > 1 && target.now_ms < this.slowUntil_ms ? 'keyframes' : 'full'
  }

  private followerFor(mode: Mode, run: Run, target: Target): Follower {
    if (this.shown && this.suits(this.shown, mode, run, target.us)) {
      this.coming?.close()
      this.coming = null
      return this.shown
    }
    if (this.coming && !this.suits(this.coming, mode, run, target.us)) {
      this.coming.close()
      this.coming = null
    }
    this.coming ??= this.makeFollower(mode, run, target.us)
    return this.coming
  }

  private suits(follower: Follower, mode: Mode, run: Run, us: number): boolean {
    const { screen } = follower
    const kind: Mode = follower instanceof FullFollower ? 'full' : 'keyframes'
    if (kind !== mode || screen.failure || !screen.accepts(run)) return false
    if (kind === 'keyframes') return true
    return screen.with_sound === this.soundIn(run) && screen.reaches(us)
  }

  private soundIn(run: Run): boolean {
    return this.wants_sound && run.has_audio && MediaSource.isTypeSupported(run.mime)
  }

  private makeFollower(mode: Mode, run: Run, us: number): Follower {
    const screen = new Screen(us - ORIGIN_BEFORE_US, mode === 'full' && this.soundIn(run))
    screen.video.className = 'playback-video playback-video-coming'
    screen.video.dataset['cameraId'] = this.camera_id
    screen.video.dataset['mode'] = mode
    screen.video.dataset['originUs'] = String(screen.origin_us)
    for (const event of ['seeked', 'loadeddata', 'canplay']) {
      screen.video.addEventListener(event, () => this.onChange())
    }
    this.host.appendChild(screen.video)
    return mode === 'full'
      ? new FullFollower(screen, this, () => this.hooks.onSoundBlocked())
      : new KeyframeFollower(screen, this)
  }

  private showOn(follower: Follower, target: Target): FollowerStatus {
    const status = follower.follow(target)
    if (follower !== this.shown) {
      if (status === 'ready') {
        this.shown?.close()
        this.shown = follower
        this.coming = null
        follower.screen.video.className = 'playback-video'
        this.applySound()
      } else if (this.shown && !this.shown.screen.video.paused) {
        this.shown.screen.video.pause()
      }
    }
    if (status === 'failed' && follower.screen.failure) return this.decodeFailed(follower)
    if (status === 'ready') this.watchDrift(follower, target)
    return status
  }

  private decodeFailed(follower: Follower): FollowerStatus {
    const error = follower.screen.failure
    follower.close()
    if (follower === this.shown) this.shown = null
    if (follower === this.coming) this.coming = null
    this.decodeRetries += 1
    if (error?.code === 'unsupported' || this.decodeRetries > DECODE_RETRIES) {
      this.failure = error
      return 'failed'
    }
    return 'waiting'
  }

  private watchDrift(follower: Follower, target: Target): void {
    if (!(follower instanceof FullFollower) || target.rate <= 1) return
    if (target.now_ms - this.slowSince_ms > SLOW_WINDOW_MS) {
      this.slowSince_ms = target.now_ms
      this.slowSeeks = follower.drift_seeks
    }
    if (follower.drift_seeks - this.slowSeeks >= SLOW_SEEKS) {
      this.slowUntil_ms = target.now_ms + 30_000
    }
  }

  jumped(us: number): void {
    this.cold = true
    this.waiting_since_ms = null
    this.decodeRetries = 0
    this.shown?.jumped(us)
    this.coming?.jumped(us)
  }

  setSound(on: boolean, volume: number): void {
    this.wants_sound = on
    this.volume_ = volume
    this.applySound()
  }

  private applySound(): void {
    const screen = this.shown?.screen
    if (!screen) return
    screen.video.muted = !(this.wants_sound && screen.with_sound)
    screen.video.volume = this.volume_
  }

  /** The exact time of the next or the previous picture, as far as it is held; null otherwise. */
  neighbour(us: number, direction: 1 | -1): number | null {
    if (!(this.shown instanceof FullFollower)) return null
    const around = this.shown.screen.picturesAround(us)
    return direction > 0 ? around.after : around.before
  }

  /** The start of the picture on screen, or null. */
  pictureAt(us: number): number | null {
    return this.shown instanceof FullFollower ? this.shown.screen.picturesAround(us).shown : null
  }

  get state(): CameraState {
    const follower = this.coming ?? this.shown
    const fetchFailure =
      follower instanceof FullFollower || follower instanceof KeyframeFollower
        ? follower.fetcher.failure
        : null
    const lendingFailure = this.borrowing ? this.lending.failure : null
    const error = this.failure ?? fetchFailure ?? this.loader.failure ?? lendingFailure
    const waits = this.status === 'waiting' || this.status === 'unknown' || this.status === 'failed'
    if (error && waits) {
      if (error.code === 'queued' && error.queue) return { kind: 'queued', queue: error.queue }
      return { kind: 'error', error, retrying: error.passing }
    }
    if (this.status === 'ready') return { kind: 'ready' }
    if (this.status === 'edge') return { kind: 'edge' }
    if (waits && this.borrowing) return { kind: 'borrowing' }
    if (waits) return this.cold ? { kind: 'loading' } : { kind: 'stalled' }
    return { kind: 'gap', gap: this.lastGap ?? { start_us: 0, end_us: 0, cause: 'unknown' } }
  }

  /** The gap at the instant last followed. */
  lastGap: ReturnType<IndexLoader['index']['gapAt']> = null

  retry(): void {
    this.failure = null
    this.decodeRetries = 0
    this.inits.clear()
    this.loader.failure = null
    for (const follower of [this.shown, this.coming]) {
      if (follower instanceof FullFollower || follower instanceof KeyframeFollower) {
        follower.fetcher.retry()
      }
    }
  }

  /** Another session, perhaps on another server: what is on screen stays. */
  sessionChanged(): void {
    this.loader.reset()
    this.inits.clear()
    this.retry()
  }

  close(): void {
    this.loader.stop()
    this.lending.close()
    this.shown?.close()
    this.coming?.close()
    this.shown = null
    this.coming = null
  }

  // Supply

  init(run: Run): Promise<RunInit> {
    const held = this.inits.get(run.run_id)
    if (held) return held
    const fetched = this.guarded(fetchInit(this.baseUrl, run)).then(readInit)
    this.inits.set(run.run_id, fetched)
    fetched.catch(() => this.inits.delete(run.run_id))
    return fetched
  }

  fragments(batch: readonly Fragment[], signal: AbortSignal) {
    return this.guarded(fetchFragments(this.baseUrl, batch, signal))
  }

  keyframe(fragment: Fragment, signal: AbortSignal) {
    return this.guarded(fetchKeyframe(this.baseUrl, fragment, signal))
  }

  /** Asked for once more by a fresh index; what is still promised then, and still missing, is a gap. */
  stale(fragments: readonly Fragment[]): void {
    for (const fragment of fragments) {
      const key = fragmentKey(fragment)
      if (this.askedAgain.has(key)) this.index.exclude(fragment)
      this.askedAgain.add(key)
    }
    this.loader.invalidate(fragments[0].start_us)
  }

  changed(): void {
    this.onChange()
  }

  private guarded<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      if (error instanceof PlaybackError && (error.code === 'sign_in_required' || error.code === 'not_allowed')) {
        this.hooks.onSessionLost()
      }
      throw error
    })
  }
}
