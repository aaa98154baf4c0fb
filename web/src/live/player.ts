/**
 * Keeps one camera playing in one video element, whatever restarts underneath.
 *
 * Opens a live session, has `LiveTransport` carry it, watches that pictures really arrive, and
 * starts again with a back-off when they do not. What it is doing, why and since when, is told
 * through `onState`.
 */
import { live as api } from '@/api'
import { ApiError, isAbort } from '@/api/errors'
import type { LiveSession, Quality, QueuePlace } from '@/api/types'

import { BackOff } from './back_off'
import { betterStream, type Sizes } from './size'
import type { LiveStatistics } from './statistics'
import { abilitiesHere, LiveTransport, type TransportFailure } from './transport'

export type LivePhase =
  | 'paused'
  | 'opening'
  /** Waits for a place in the transcoder. */
  | 'queued'
  | 'playing'
  /** Pictures stopped or never came; `cause` says why, the player goes on trying. */
  | 'interrupted'
  /** The gateway will not serve this; tried again only once a minute. */
  | 'refused'

export interface LiveState {
  phase: LivePhase
  since_ms: number
  /** A key of the locale files' `live.cause`, or an error code. */
  cause: string | null
  detail: string | null
  retry_at_ms: number | null
  transport: 'webrtc' | 'mse' | null
  variant: string | null
  transcoded: boolean
  queue: QueuePlace | null
}

export interface LivePlayerOptions {
  video: HTMLVideoElement
  camera_id: string
  quality: Quality
  /** How high the picture is shown, in device pixels; by it the gateway chooses what `auto` means. */
  height_px?(): number
  onState(state: LiveState): void
  /** Whether the gateway says that the camera delivers; null when not known. */
  cameraDelivers?(): boolean | null
  /** The camera's place in the queue for the transcoder, while the gateway says that it waits. */
  placeInQueue?(): QueuePlace | null
}

const STALL_MS = 2500
const RESTART_MS = 6000
const REFUSED_RETRY_MS = 60_000
/** A camera that is known to be away is announced when it is back; asking more often is noise. */
const AWAY_RETRY_MS = 60_000
const QUALITY_RETRY_MS = 15_000
const LOST_RETRY_MS = 250
/** Asking again keeps the place in the queue. */
const QUEUE_RETRY_MS = 500
/** Trying again soon would change nothing. */
const REFUSALS: ReadonlySet<string> = new Set([
  'not_allowed',
  'not_found',
  'sign_in_required',
  'invalid',
  'revoked',
  'camera_disabled',
  'purpose_required',
  'case_required',
])
/** Only somebody can change these: trying again by itself would ask the same question again. */
const ASKED: ReadonlySet<string> = new Set(['purpose_required', 'case_required'])
const AWAY_CAUSES: ReadonlySet<string> = new Set(['no_media', 'no_picture', 'camera_offline'])

export class LivePlayer {
  private state: LiveState = {
    phase: 'paused',
    since_ms: Date.now(),
    cause: null,
    detail: null,
    retry_at_ms: null,
    transport: null,
    variant: null,
    transcoded: false,
    queue: null,
  }
  private transport: LiveTransport | null = null
  /** Being set up, while `transport` may still be playing. */
  private pending: LiveTransport | null = null
  private abort: AbortController | null = null
  private retryTimer = 0
  private readonly tickTimer: number
  private readonly backOff = new BackOff()
  private frames = 0
  private lastPicture_ms = 0
  private connectedAt_ms = 0
  /** When the gateway last said that the camera does not deliver. */
  private lastAway_ms = 0
  /** What the gateway was last asked for. */
  private asked_px = 0
  private running = false
  private disposed = false

  constructor(private readonly options: LivePlayerOptions) {
    options.video.addEventListener('loadeddata', this.pictureShown)
    this.tickTimer = window.setInterval(() => this.tick(), 500)
  }

  start(): void {
    if (this.running || this.disposed) return
    this.running = true
    this.backOff.reset()
    void this.attempt()
  }

  /** Ends the session but keeps the last picture; `start` resumes. */
  pause(): void {
    this.running = false
    this.drop()
    this.tell({ phase: 'paused', cause: null, detail: null, retry_at_ms: null, queue: null })
  }

  /** Try now instead of at the end of the back-off; `force`: even with a connection standing. */
  retryNow(force = false): void {
    // A connection that stands brings the picture back by itself; `tick` sees to it.
    if (!this.running || this.state.phase === 'opening' || this.pending !== null) return
    if (this.transport?.connected === true && !force) return
    this.backOff.reset()
    void this.attempt()
  }

  /** Ends it for good, and leaves no picture. */
  refuse(cause: string): void {
    this.running = false
    this.drop()
    this.blacken()
    this.tell({ phase: 'refused', cause, detail: null, retry_at_ms: null, queue: null })
  }

  setQuality(quality: Quality): void {
    if (this.options.quality === quality) return
    this.options.quality = quality
    if (this.running) void this.attempt(true)
  }

  /** The height has changed: the other stream, if it fits better. What plays stays until that one stands. */
  fitHeight(sizes: Pick<Sizes, 'main_px' | 'sub_px' | 'has_sub'>): void {
    const shown_px = this.options.height_px?.() ?? 0
    if (!this.running || this.options.quality !== 'auto' || this.state.phase !== 'playing' || this.pending !== null) return
    if (betterStream({ ...sizes, variant: this.state.variant, shown_px, asked_px: this.asked_px }) !== null) void this.attempt(true)
  }

  async statistics(): Promise<LiveStatistics | null> {
    return this.transport === null ? null : await this.transport.statistics()
  }

  dispose(): void {
    this.disposed = true
    this.running = false
    window.clearInterval(this.tickTimer)
    this.options.video.removeEventListener('loadeddata', this.pictureShown)
    this.drop()
    this.options.video.srcObject = null
    this.options.video.removeAttribute('poster')
  }

  /** The last picture is as little theirs to see as the next. */
  private blacken(): void {
    const { video } = this.options
    video.removeAttribute('poster')
    video.srcObject = null
    video.removeAttribute('src')
    video.load()
  }

  private tell(change: Partial<LiveState>): void {
    const phase = change.phase ?? this.state.phase
    const unbroken =
      phase === this.state.phase ||
      // An interruption lasts until a picture is shown, through all attempts in between.
      (phase === 'interrupted' && this.state.phase === 'opening') ||
      (phase === 'opening' && this.state.phase === 'interrupted')
    this.state = { ...this.state, ...change, since_ms: unbroken ? this.state.since_ms : Date.now() }
    if (!this.disposed) this.options.onState(this.state)
  }

  private dropPending(): void {
    this.pending?.close()
    this.pending = null
  }

  private drop(): void {
    window.clearTimeout(this.retryTimer)
    this.abort?.abort()
    this.abort = null
    this.dropPending()
    this.transport?.close()
    this.transport = null
  }

  /** `keepPlaying`: leave what plays on the screen until its successor is connected. */
  private async attempt(keepPlaying = false): Promise<void> {
    window.clearTimeout(this.retryTimer)
    this.abort?.abort()
    this.dropPending()
    if (!keepPlaying) {
      this.transport?.close()
      this.transport = null
    }
    const abort = new AbortController()
    this.abort = abort
    if (!keepPlaying) {
      const again = this.state.phase === 'interrupted' || this.state.phase === 'queued'
      this.tell(
        again
          ? { retry_at_ms: null }
          : { phase: 'opening', cause: null, detail: null, retry_at_ms: null, queue: null },
      )
    }
    try {
      const able = abilitiesHere()
      this.asked_px = Math.round(this.options.height_px?.() ?? 0)
      const height = this.options.quality === 'auto' && this.asked_px > 0 ? { height_px: this.asked_px } : {}
      const session = await api.open(
        { camera_id: this.options.camera_id, quality: this.options.quality, ...height, client: able },
        abort.signal,
      )
      if (abort.signal.aborted) return
      const queue = session.queue ?? this.placeInQueue(session.transcoded)
      // Queued: the connection is opened all the same, its pictures come when the place is free.
      if (!keepPlaying) this.tell({ queue, ...(queue === null ? {} : { phase: 'queued' }) })
      const transport = this.carry(session)
      await transport.open(able, this.transport === null, abort.signal)
    } catch (error) {
      if (abort.signal.aborted || isAbort(error)) return
      this.dropPending()
      if (keepPlaying && this.transport !== null) {
        // The better stream is not to be had just now; the one that plays is better than none.
        this.retryTimer = window.setTimeout(() => void this.attempt(true), QUALITY_RETRY_MS)
        return
      }
      this.attemptFailed(error)
    }
  }

  private attemptFailed(error: unknown): void {
    const code = error instanceof ApiError ? error.code : 'unplayable'
    const queue = code === 'no_media' ? this.placeInQueue(true) : null
    if (queue !== null) {
      this.tell({ phase: 'queued', queue, cause: null, detail: null, retry_at_ms: null })
      this.retryTimer = window.setTimeout(() => void this.attempt(), QUEUE_RETRY_MS)
      return
    }
    const detail = error instanceof Error ? error.message : null
    if (REFUSALS.has(code)) {
      this.transport?.close()
      this.transport = null
      this.blacken()
      this.tell({ phase: 'refused', cause: code, detail, retry_at_ms: null })
      if (!ASKED.has(code)) this.retryTimer = window.setTimeout(() => void this.attempt(), REFUSED_RETRY_MS)
      return
    }
    this.interrupted(code, detail)
  }

  private placeInQueue(transcoded: boolean): QueuePlace | null {
    return transcoded ? (this.options.placeInQueue?.() ?? null) : null
  }

  private waitingTime(cause: string): number {
    const away = AWAY_CAUSES.has(cause) && this.options.cameraDelivers?.() === false
    return away ? AWAY_RETRY_MS : this.backOff.next()
  }

  /** Says why, and tries again after the back-off. */
  private interrupted(cause: string, detail: string | null, wait_ms = this.waitingTime(cause)): void {
    this.dropPending()
    this.transport?.close()
    this.transport = null
    this.tell({ phase: 'interrupted', cause, detail, retry_at_ms: Date.now() + wait_ms })
    window.clearTimeout(this.retryTimer)
    if (this.running) this.retryTimer = window.setTimeout(() => void this.attempt(), wait_ms)
  }

  private carry(session: LiveSession): LiveTransport {
    const current = (): boolean => this.pending === transport || this.transport === transport
    const transport = new LiveTransport(this.options.video, session, {
      takesOver: (name) => {
        if (!current()) return
        const former = this.transport
        this.pending = null
        this.transport = transport
        this.connectedAt_ms = Date.now()
        if (former !== transport) former?.close()
        this.tell({ transport: name, variant: session.variant, transcoded: session.transcoded })
      },
      connected: () => {
        if (this.transport === transport) this.connectedAt_ms = Date.now()
      },
      interrupted: (cause, detail) => {
        if (this.transport === transport) this.tell({ phase: 'interrupted', cause, detail, retry_at_ms: null })
      },
      failed: (cause) => {
        if (current()) this.transportFailed(cause)
      },
    })
    this.pending = transport
    return transport
  }

  private transportFailed(cause: TransportFailure): void {
    if (cause === 'ticket_spent') void this.attempt(this.transport !== null)
    else if (cause === 'not_allowed') this.attemptFailed(new ApiError(cause, 'the session was ended', 403))
    else if (cause === 'connection_lost') this.interrupted(cause, null, LOST_RETRY_MS)
    else this.interrupted(cause, null)
  }

  private readonly pictureShown = (): void => {
    if (this.transport === null) return
    this.lastPicture_ms = Date.now()
    this.backOff.reset()
    if (this.state.phase !== 'playing') {
      this.tell({ phase: 'playing', cause: null, detail: null, retry_at_ms: null, queue: null })
    }
  }

  private tick(): void {
    if (!this.running || this.transport === null) return
    const frames = this.options.video.getVideoPlaybackQuality().totalVideoFrames
    const now_ms = Date.now()
    const delivers = this.options.cameraDelivers?.() ?? null
    if (delivers === false) this.lastAway_ms = now_ms
    if (frames !== this.frames) {
      const grew = frames > this.frames
      this.frames = frames
      if (grew) this.pictureShown()
      return
    }
    const queue = this.placeInQueue(this.state.transcoded)
    if (queue !== null) {
      this.connectedAt_ms = now_ms // its turn has not come: no reason to begin anew
      this.tell({ phase: 'queued', queue })
      return
    }
    const waited_ms = now_ms - Math.max(this.lastPicture_ms, this.connectedAt_ms)
    // A source that nobody recorded is only now being pulled: its first picture takes longer.
    if (waited_ms < (this.state.phase !== 'playing' ? RESTART_MS : STALL_MS)) return
    if (['playing', 'opening', 'queued'].includes(this.state.phase)) {
      this.tell({
        phase: 'interrupted',
        cause: delivers === false ? 'camera_offline' : 'no_picture',
        detail: null,
        retry_at_ms: null,
      })
    }
    // A camera that is away comes back on this very connection. One that has long been delivering
    // without a picture here never will.
    if (Math.min(waited_ms, now_ms - this.lastAway_ms) > RESTART_MS) this.interrupted('no_picture', null)
  }
}
