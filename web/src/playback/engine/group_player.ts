/** Up to nine cameras on one clock: sessions, the master clock, holds, gaps, and the live end. */

import { CameraPlayer } from './camera_player'
import { MasterClock, SEEK_BEYOND_S } from './clock'
import { PlaybackError } from './errors'
import type { Footage, FootageSession } from './footage_api'
import type { CameraState, Target } from './follower'
import type { Interval } from '@/api/types'

export const MOST_CAMERAS = 9
/** The longest that one camera may keep the others waiting. */
export const HOLD_BOUND_MS = 1_500
/** A camera in the middle of play is given this long before the clock is held for it. */
const HOLD_GRACE_MS = 250
const TICK_MS = 40
/** Videos start some 100 ms after they are told to; then the clock takes their time. */
const START_SETTLES_MS = 130
const SEARCH_EVERY_MS = 2_000

export type GroupState =
  | 'opening'
  | 'playing'
  | 'paused'
  /** The clock is held until footage has come. */
  | 'buffering'
  /** No camera has footage here, and none later. */
  | 'no_footage'
  /** The newest footage has been shown; more is expected. */
  | 'live_edge'
  | 'error'

export interface PlacedCamera {
  camera_id: string
  /** Where the video elements go. */
  host: HTMLElement
}

const NO_SESSION: FootageSession = { session_id: '', start_us: 0, end_us: 0, base_urls: new Map() }

export interface GroupOptions {
  cameras: PlacedCamera[]
  start_us: number
  /** The session to ask for around an instant: the minutes that go into the audit log. */
  range(us: number): Interval
  footage: Footage
  skip_gaps?: boolean
  /** Whether a device or platform brings the camera, and may have footage of its own. */
  has_device?: (camera_id: string) => boolean
  onChange?: () => void
  onSoundBlocked?: () => void
}

export class GroupPlayer {
  cameras: CameraPlayer[] = []
  state: GroupState = 'opening'
  error: PlaybackError | null = null
  skip_gaps: boolean
  private clock: MasterClock
  private playing_ = false
  private sound: { camera_id: string; volume: number } | null = null
  private session: FootageSession | null = null
  private opening = false
  private openAgain = false
  private timer: ReturnType<typeof setInterval> | null = null
  private searching = false
  private searchedAt_ms = -Infinity
  private nothingAfter = false
  /** Nothing was shown since somebody chose this moment. */
  private landed = true
  private serverOffset_us = 0
  private closed = false
  private steps: (1 | -1)[] = []
  private startedAt_ms = 0
  private settled = true
  private lastNotice = ''

  constructor(private options: GroupOptions) {
    if (options.cameras.length > MOST_CAMERAS) throw new RangeError(`at most ${MOST_CAMERAS} cameras`)
    this.clock = new MasterClock(options.start_us, performance.now())
    this.skip_gaps = options.skip_gaps ?? true
    this.cameras = options.cameras.map((placed) => this.makeCamera(placed))
    this.timer = setInterval(() => this.tick(), TICK_MS)
    void this.open()
  }

  private makeCamera(placed: PlacedCamera): CameraPlayer {
    const hooks = {
      session: () => this.session ?? NO_SESSION,
      wallClockUs: () => this.wallClock_us,
      hasDevice: (camera_id: string) => this.options.has_device?.(camera_id) ?? false,
      onSessionLost: () => this.sessionLost(),
      onSoundBlocked: () => this.options.onSoundBlocked?.(),
    }
    return new CameraPlayer(placed.camera_id, placed.host, hooks, () => this.tick())
  }

  /** Other cameras on the same clock; those that stay go on undisturbed. */
  setCameras(cameras: PlacedCamera[]): void {
    if (cameras.length > MOST_CAMERAS) throw new RangeError(`at most ${MOST_CAMERAS} cameras`)
    const kept = new Map(this.cameras.map((camera) => [camera.camera_id, camera]))
    this.cameras = cameras.map((placed) => {
      const camera = kept.get(placed.camera_id)
      kept.delete(placed.camera_id)
      return camera ?? this.makeCamera(placed)
    })
    for (const camera of kept.values()) camera.close()
    this.nothingAfter = false
    const held = this.session?.base_urls
    if (cameras.some(({ camera_id }) => !held?.has(camera_id))) void this.open()
    this.tick()
  }

  get wallClock_us(): number {
    return Date.now() * 1000 + this.serverOffset_us
  }

  /** The server's clock, once it is known: the browser's may be wrong. */
  setServerNow(now_us: number): void {
    this.serverOffset_us = now_us - Date.now() * 1000
  }

  get position_us(): number {
    return this.clock.position(performance.now())
  }

  get rate(): number {
    return this.clock.rate
  }

  get playing(): boolean {
    return this.playing_
  }

  camera(camera_id: string): CameraPlayer | undefined {
    return this.cameras.find((camera) => camera.camera_id === camera_id)
  }

  cameraState(camera_id: string): CameraState {
    return this.camera(camera_id)?.state ?? { kind: 'loading' }
  }

  baseUrl(camera_id: string): string | null {
    return this.session?.base_urls.get(camera_id) ?? null
  }

  /**
   * Play on. Where somebody went to a moment without footage, that is said and the clock stays, unless
   * `crossing`: then the next footage is looked for, as it is when play runs into a gap.
   */
  play(crossing = true): void {
    this.playing_ = true
    this.steps = []
    this.nothingAfter = false
    if (crossing) this.landed = false
    this.tick()
  }

  pause(): void {
    this.playing_ = false
    this.clock.hold(performance.now())
    this.tick()
  }

  toggle(): void {
    if (this.playing_) this.pause()
    else this.play()
  }

  /** −16 … 16, not 0; above 4 and below 0 by keyframes. */
  setRate(rate: number): void {
    if (rate === 0 || !Number.isFinite(rate)) return
    this.clock.setRate(Math.max(-16, Math.min(16, rate)), performance.now())
    this.nothingAfter = false
    this.tick()
  }

  seek(us: number): void {
    this.clock.seek(Math.min(us, this.wallClock_us), performance.now())
    this.clock.hold(performance.now())
    this.steps = []
    this.nothingAfter = false
    this.landed = true
    for (const camera of this.cameras) camera.jumped(us)
    this.tick()
  }

  seekBy(delta_us: number): void {
    this.seek(this.position_us + delta_us)
  }

  /** One picture on or back, by the camera named (or the first); pauses. */
  step(direction: 1 | -1, camera_id?: string): void {
    this.pause()
    this.stepCamera = camera_id
    if (this.steps.length < 30) this.steps.push(direction)
    this.takeStep()
  }

  private stepCamera: string | undefined

  private takeStep(): void {
    const direction = this.steps[0]
    if (direction === undefined) return
    const camera = (this.stepCamera && this.camera(this.stepCamera)) || this.cameras[0]
    if (!camera) return
    if (camera.status === 'waiting' || camera.status === 'unknown') return
    const now_ms = performance.now()
    const at_us = this.clock.position(now_ms)
    let next = camera.neighbour(at_us, direction)
    if (direction < 0 && next === null) {
      // The picture before lies in a fragment that is not held: go to the end of that fragment.
      const shown = camera.pictureAt(at_us)
      const before = camera.index.lastStartingBy((shown ?? at_us) - 1)
      const fragment = camera.index.fragments[before]
      if (fragment) next = Math.min(fragment.end_us - 1_000, (shown ?? at_us) - 1_000)
    } else if (direction > 0 && next === null) {
      const following = camera.index.fragments[camera.index.firstEndingAfter(at_us)]
      if (following && following.start_us > at_us) next = following.start_us
    }
    this.steps.shift()
    if (next === null) return
    this.clock.seek(next, now_ms)
    this.tick()
  }

  setSound(camera_id: string | null, volume = 1): void {
    this.sound = camera_id ? { camera_id, volume } : null
    for (const camera of this.cameras) camera.setSound(camera.camera_id === camera_id, volume)
    this.tick()
  }

  retry(): void {
    this.error = null
    if (this.state === 'error') this.state = 'opening'
    if (!this.session) void this.open()
    for (const camera of this.cameras) camera.retry()
  }

  /** A session of its own for what is said now about why. */
  purposeChanged(): void {
    this.error = null
    void this.open()
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) clearInterval(this.timer)
    for (const camera of this.cameras) camera.close()
  }

  private async open(): Promise<void> {
    if (this.closed || this.cameras.length === 0) return
    if (this.opening) {
      this.openAgain = true
      return
    }
    this.opening = true
    this.openAgain = false
    const us = this.position_us
    const range = this.options.range(us)
    try {
      const session = await this.options.footage.open({
        camera_ids: this.cameras.map((camera) => camera.camera_id),
        start_us: range.start_us,
        end_us: range.end_us,
      })
      if (this.closed) return
      this.session = session
      this.error = null
      for (const camera of this.cameras) camera.sessionChanged()
      if (this.sound) this.setSound(this.sound.camera_id, this.sound.volume)
    } catch (error) {
      this.error =
        error instanceof PlaybackError ? error : new PlaybackError('unavailable', String(error))
      this.session = null
      if (this.error.passing) setTimeout(() => void this.open(), 2_000)
    } finally {
      this.opening = false
      if (this.openAgain) void this.open()
      this.tick()
    }
  }

  private lostAt_ms = -Infinity

  /** The session ended on the server: ask for another one; when that fails too, it is an error. */
  private sessionLost(): void {
    if (performance.now() - this.lostAt_ms < 5_000) return
    this.lostAt_ms = performance.now()
    void this.open()
  }

  private tick(): void {
    if (this.closed) return
    const now_ms = performance.now()
    if (!this.session) {
      this.clock.hold(now_ms)
      this.setState(this.error ? 'error' : 'opening')
      return
    }
    let us = this.clock.position(now_ms)
    if ((us < this.session.start_us || us >= this.session.end_us) && us <= this.wallClock_us) {
      this.clock.hold(now_ms)
      const range = this.options.range(us)
      if (us >= range.start_us && us < range.end_us) void this.open()
      else this.playing_ = false
    }
    us = this.clock.position(now_ms)
    const target: Target = {
      us,
      rate: this.clock.rate,
      running: this.clock.running,
      now_ms,
      cameras: this.cameras.length,
    }
    const leader = this.leader()
    for (const camera of this.cameras) {
      camera.follow(camera === leader ? { ...target, leads: true } : target, this.playing_)
      camera.lastGap = camera.status === 'gap' ? camera.index.gapAt(us) : null
    }
    this.steer(us, now_ms, leader)
    this.decide(us, now_ms)
    if (!this.playing_) this.takeStep()
  }

  /** The camera that is heard, or the only one: nudging its rate could be heard, so the clock bends. */
  private leader(): CameraPlayer | null {
    if (this.cameras.length === 1) return this.cameras[0]
    return this.cameras.find((camera) => camera.wants_sound) ?? null
  }

  /** Bend the clock to its leader; without one, to the middle of those that have just started. */
  private steer(us: number, now_ms: number, leader: CameraPlayer | null): void {
    if (!this.clock.running) return
    const drifts = (leader ? [leader] : this.cameras)
      .map((camera) => camera.drift_s(us))
      .filter((drift): drift is number => drift !== null)
      .sort((a, b) => a - b)
    const drift_s = drifts[drifts.length >> 1]
    if (drift_s === undefined || Math.abs(drift_s) > SEEK_BEYOND_S * Math.max(1, this.clock.rate)) return
    if (leader) {
      this.clock.seek(this.clock.position(now_ms) + drift_s * 0.3e6, now_ms)
    } else if (!this.settled && now_ms - this.startedAt_ms > START_SETTLES_MS) {
      this.settled = true
      this.clock.seek(this.clock.position(now_ms) + drift_s * 1e6, now_ms)
    }
  }

  /** Whether the clock moves: the slowest camera is waited for, but not for long. */
  private decide(us: number, now_ms: number): void {
    if (this.cameras.length === 0) {
      this.clock.hold(now_ms)
      this.setState('paused')
      return
    }
    const any = (...kinds: string[]) => this.cameras.some((camera) => kinds.includes(camera.status))
    if (!this.playing_) {
      this.clock.hold(now_ms)
      const empty = !any('ready', 'waiting', 'unknown', 'edge', 'failed')
      this.setState(empty ? 'no_footage' : any('ready') || !any('waiting', 'unknown') ? 'paused' : 'buffering')
      return
    }
    if (any('ready')) {
      this.landed = false
      const keepsWaiting = this.cameras.some((camera) => {
        if (camera.waiting_since_ms === null) return false
        const waited_ms = now_ms - camera.waiting_since_ms
        return waited_ms < HOLD_BOUND_MS && (camera.cold || waited_ms > HOLD_GRACE_MS)
      })
      this.moveClock(!keepsWaiting, now_ms)
      this.setState(keepsWaiting ? 'buffering' : 'playing')
      return
    }
    if (any('waiting', 'unknown')) {
      this.moveClock(false, now_ms)
      this.setState('buffering')
      return
    }
    if (any('failed') && !any('gap', 'edge')) {
      this.moveClock(false, now_ms)
      this.setState('error')
      return
    }
    this.crossGap(us, now_ms, any('edge'))
  }

  /** Nobody has footage here. */
  private crossGap(us: number, now_ms: number, edge: boolean): void {
    const backwards = this.clock.rate < 0
    if (edge && !backwards) {
      this.moveClock(false, now_ms)
      this.setState('live_edge')
      return
    }
    if (!this.skip_gaps && us < this.wallClock_us) {
      this.moveClock(true, now_ms)
      this.setState('playing')
      return
    }
    if (this.landed) {
      this.moveClock(false, now_ms)
      this.setState('no_footage')
      return
    }
    const next = this.nextKnown(us, backwards)
    if (next !== null) {
      this.jump(next, now_ms)
      return
    }
    this.moveClock(false, now_ms)
    if (this.nothingAfter) this.setState('no_footage')
    else void this.search(us, now_ms, backwards)
  }

  private jump(us: number, now_ms: number): void {
    this.clock.seek(us, now_ms)
    for (const camera of this.cameras) camera.jumped(us)
  }

  /** The nearest footage in the direction of play, if the indexes at hand tell. */
  private nextKnown(us: number, backwards: boolean): number | null {
    let best: number | null = null
    for (const { index } of this.cameras) {
      if (backwards) {
        const position = index.lastStartingBy(us)
        const fragment = index.fragments[position]
        if (!fragment || index.knownSince(us) > fragment.end_us) return null
        best = best === null ? fragment.end_us - 1 : Math.max(best, fragment.end_us - 1)
      } else {
        const fragment = index.fragments[index.firstEndingAfter(us)]
        const known_us = index.knownUntil(us)
        if (fragment && fragment.start_us <= known_us) {
          best = best === null ? fragment.start_us : Math.min(best, fragment.start_us)
        } else if (best === null || known_us < best) {
          // This camera's footage might come earlier than what is known: ask the server.
          return null
        }
      }
    }
    return best
  }

  private async search(us: number, now_ms: number, backwards: boolean): Promise<void> {
    if (this.searching || now_ms - this.searchedAt_ms < SEARCH_EVERY_MS) return
    this.searching = true
    this.searchedAt_ms = now_ms
    try {
      const day_us = 86_400_000_000
      const reach = backwards
        ? { start_us: us - 7 * day_us, end_us: us }
        : { start_us: us, end_us: Math.min(this.wallClock_us, us + 7 * day_us) }
      const found = await Promise.all(
        this.cameras.map((camera) => this.options.footage.nearest(camera.camera_id, us, reach)),
      )
      if (this.closed || Math.abs(this.position_us - us) > 1_000) return
      const times = found
        .map((f) => (backwards ? f.before_us : f.after_us))
        .filter((t): t is number => t !== null)
      if (times.length === 0) {
        this.nothingAfter = true
        return
      }
      const next = backwards ? Math.max(...times) - 1_000 : Math.min(...times)
      if (next !== us) this.jump(next, performance.now())
    } catch {
      // Asked again in a while: the clock is held meanwhile.
    } finally {
      this.searching = false
    }
  }

  private moveClock(moves: boolean, now_ms: number): void {
    if (moves && !this.clock.running) {
      this.startedAt_ms = now_ms
      this.settled = false
    }
    if (moves) this.clock.run(now_ms)
    else this.clock.hold(now_ms)
  }

  private setState(state: GroupState): void {
    this.state = state
    const notice = `${state}|${this.playing_}|${this.clock.rate}|${this.cameras.map((c) => JSON.stringify(c.state, noErrors)).join()}`
    if (notice === this.lastNotice) return
    this.lastNotice = notice
    this.options.onChange?.()
  }
}

function noErrors(_key: string, value: unknown): unknown {
  return value instanceof PlaybackError ? `${value.code} ${value.message}` : value
}
