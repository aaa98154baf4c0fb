/**
 * Keeps one camera playing in one video element, whatever restarts underneath.
 *
 * Opens a live session, connects by WebRTC, falls back to MSE when no connection stands within
 * three seconds, watches that pictures really arrive, and starts again with a back-off when they
 * do not. What it is doing, why and since when, is told through `onState`.
 */
import { live as api, type ClientAbilities } from '@/api'
import { ApiError, isAbort } from '@/api/errors'
import type { LiveSession, Quality } from '@/api/types'

import { abilities, playsMediaSource } from './abilities'
import { BackOff } from './back_off'
import { MseSession } from './mse'
import type { LiveStatistics } from './statistics'
import { WhepSession } from './whep'

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

export interface QueuePlace {
  position: number
  length: number
}

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
  onState(state: LiveState): void
  /** Whether the gateway says that the camera delivers; null when not known. */
  cameraDelivers?(): boolean | null
  /** The camera's place in the queue for the transcoder, while the gateway says that it waits. */
  placeInQueue?(): QueuePlace | null
}

const POSTER_WIDTH = 640
const WEBRTC_PATIENCE_MS = 3000
const STALL_MS = 2500
const RESTART_MS = 6000
const REFUSED_RETRY_MS = 60_000
/** A camera that is known to be away is announced when it is back; asking more often is noise. */
const AWAY_RETRY_MS = 60_000
const QUALITY_RETRY_MS = 15_000
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
])
const AWAY_CAUSES: ReadonlySet<string> = new Set(['no_media', 'no_picture', 'camera_offline'])
const OFFER_REFUSED: ReadonlySet<number> = new Set([400, 406, 415, 422])
const WEBRTC_BLOCKED_FOR_MS = 5 * 60_000

/** Learnt by one tile, true for all: this network lets no WebRTC through. */
let webRtcBlockedUntil_ms = 0

export function forgetBlockedWebRtc(): void {
  webRtcBlockedUntil_ms = 0
}

type Connection = WhepSession | MseSession

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
  private connection: Connection | null = null
  /** Being set up, while `connection` may still be playing. */
  private pending: Connection | null = null
  private abort: AbortController | null = null
  private retryTimer = 0
  private patienceTimer = 0
  private readonly tickTimer: number
  private readonly backOff = new BackOff()
  private frames = 0
  private lastPicture_ms = 0
  private connectedAt_ms = 0
  /** When the gateway last said that the camera does not deliver. */
  private lastAway_ms = 0
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
    if (this.connection?.connected === true && !force) return
    this.backOff.reset()
    void this.attempt()
  }

  setQuality(quality: Quality): void {
    if (this.options.quality === quality) return
    this.options.quality = quality
    if (this.running) void this.attempt(true)
  }

  async statistics(): Promise<LiveStatistics | null> {
    return this.connection === null ? null : await this.connection.statistics()
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

  /** The picture on the screen stays, as the element's poster, until its successor's first. */
  private keepPicture(): void {
    const { video } = this.options
    if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return
    const canvas = document.createElement('canvas')
    canvas.width = Math.min(POSTER_WIDTH, video.videoWidth)
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth)
    canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height)
    video.poster = canvas.toDataURL('image/jpeg', 0.7)
  }

  private drop(): void {
    window.clearTimeout(this.retryTimer)
    window.clearTimeout(this.patienceTimer)
    this.abort?.abort()
    this.abort = null
    this.pending?.close()
    this.pending = null
    this.connection?.close()
    this.connection = null
  }

  private clientAbilities(): ClientAbilities {
    const able = abilities()
    return webRtcBlockedUntil_ms > Date.now() && playsMediaSource() ? { ...able, webrtc: false } : able
  }

  /** `keepPlaying`: leave what plays on the screen until its successor is connected. */
  private async attempt(keepPlaying = false): Promise<void> {
    window.clearTimeout(this.retryTimer)
    window.clearTimeout(this.patienceTimer)
    this.abort?.abort()
    this.pending?.close()
    this.pending = null
    if (!keepPlaying) {
      this.connection?.close()
      this.connection = null
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
      const able = this.clientAbilities()
      const session = await api.open(
        { camera_id: this.options.camera_id, quality: this.options.quality, client: able },
        abort.signal,
      )
      if (abort.signal.aborted) return
      const queue = session.queue ?? this.placeInQueue(session.transcoded)
      // Queued: the connection is opened all the same, its pictures come when the place is free.
      if (!keepPlaying) this.tell({ queue, ...(queue === null ? {} : { phase: 'queued' }) })
      if (session.transport === 'webrtc' && able.webrtc) await this.openWebRtc(session, abort)
      else this.openMse(session)
    } catch (error) {
      if (abort.signal.aborted || isAbort(error)) return
      if (keepPlaying && this.connection !== null) {
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
      this.connection?.close()
      this.connection = null
      this.tell({ phase: 'refused', cause: code, detail, retry_at_ms: null })
      this.retryTimer = window.setTimeout(() => void this.attempt(), REFUSED_RETRY_MS)
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
    window.clearTimeout(this.patienceTimer)
    this.pending?.close()
    this.pending = null
    this.connection?.close()
    this.connection = null
    this.tell({ phase: 'interrupted', cause, detail, retry_at_ms: Date.now() + wait_ms })
    window.clearTimeout(this.retryTimer)
    if (this.running) this.retryTimer = window.setTimeout(() => void this.attempt(), wait_ms)
  }

  private adopt(connection: Connection): void {
    window.clearTimeout(this.patienceTimer)
    this.pending = null
    const former = this.connection
    this.connection = connection
    this.connectedAt_ms = Date.now()
    if (former !== null && former !== connection) former.close()
  }

  private async openWebRtc(session: LiveSession, abort: AbortController): Promise<void> {
    const opened_ms = Date.now()
    const show = (): void => {
      const { video } = this.options
      if (video.srcObject !== peer.stream) {
        this.keepPicture()
        video.removeAttribute('src')
        video.srcObject = peer.stream
      }
      video.play().catch(() => undefined)
    }
    const peer = new WhepSession({
      connected: () => {
        if (this.pending !== peer && this.connection !== peer) return
        this.adopt(peer)
        this.tell({ transport: 'webrtc', variant: session.variant, transcoded: session.transcoded })
        show()
      },
      failed: () => {
        // Once connected and then lost: the shard went. Never connected: the network is closed.
        if (this.connection === peer) this.interrupted('connection_lost', null, 250)
        else if (this.pending === peer) this.fallBack(session, opened_ms)
      },
    })
    this.pending = peer
    try {
      await peer.open(session.whep_url, abort.signal)
    } catch (error) {
      peer.close()
      if (this.pending === peer) this.pending = null
      // What one transport cannot carry (B-frames, a profile), the other may.
      if (error instanceof ApiError && OFFER_REFUSED.has(error.status) && playsMediaSource()) {
        this.openMse(session)
        return
      }
      throw error
    }
    // Nothing is on the screen that would be lost by looking early, and the first picture counts.
    if (this.connection === null && this.pending === peer) show()
    // Counted from the answer: until then it was the camera or the transcoder that took its time.
    if (this.pending === peer) {
      this.patienceTimer = window.setTimeout(() => {
        if (this.pending === peer) this.fallBack(session, opened_ms)
      }, WEBRTC_PATIENCE_MS)
    }
  }

  private fallBack(session: LiveSession, opened_ms: number): void {
    if (!playsMediaSource()) {
      this.interrupted('webrtc_blocked', null)
      return
    }
    webRtcBlockedUntil_ms = Date.now() + WEBRTC_BLOCKED_FOR_MS
    window.clearTimeout(this.patienceTimer)
    this.pending?.close()
    this.pending = null
    // The ticket in the addresses is good for 30 s.
    if (Date.now() - opened_ms < 20_000) this.openMse(session)
    else void this.attempt()
  }

  private openMse(session: LiveSession): void {
    if (!playsMediaSource()) {
      this.interrupted('webrtc_blocked', null)
      return
    }
    // An element plays one source: the former goes first.
    this.connection?.close()
    this.connection = null
    this.keepPicture()
    const connection = new MseSession(this.options.video, session.mse_url, {
      connected: () => {
        if (this.connection !== connection) return
        this.connectedAt_ms = Date.now()
        this.options.video.play().catch(() => undefined)
      },
      interrupted: (cause, detail) => {
        if (this.connection === connection) this.tell({ phase: 'interrupted', cause, detail, retry_at_ms: null })
      },
      failed: (cause) => {
        if (this.connection !== connection) return
        if (cause === 'not_allowed') this.attemptFailed(new ApiError('not_allowed', 'the session was ended', 403))
        else this.interrupted(cause === 'unplayable' ? 'unplayable' : 'connection_lost', null)
      },
    })
    this.adopt(connection)
    this.tell({ transport: 'mse', variant: session.variant, transcoded: session.transcoded })
  }

  private readonly pictureShown = (): void => {
    if (this.connection === null) return
    this.lastPicture_ms = Date.now()
    this.backOff.reset()
    if (this.state.phase !== 'playing') {
      this.tell({ phase: 'playing', cause: null, detail: null, retry_at_ms: null, queue: null })
    }
  }

  private tick(): void {
    if (!this.running || this.connection === null) return
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
