/**
 * One live session by whichever transport this network lets through: WebRTC, and fMP4 over a
 * WebSocket where no connection stands within three seconds of the answer.
 *
 * It knows nothing of phases and of trying again; `LivePlayer` does.
 */
import type { ClientAbilities } from '@/api'
import { ApiError } from '@/api/errors'
import type { LiveSession } from '@/api/types'

import { abilities, playsMediaSource } from './abilities'
import { MseSession } from './mse'
import type { LiveStatistics } from './statistics'
import { WhepSession } from './whep'

export type TransportFailure =
  /** Once connected and then lost: the shard went. */
  | 'connection_lost'
  /** WebRTC does not get through, and this browser has nothing else. */
  | 'webrtc_blocked'
  | 'unplayable'
  | 'not_allowed'
  /** The addresses of the session are too old for a second transport: open a new one. */
  | 'ticket_spent'

export interface TransportEvents {
  /** From now on the element is this transport's: its predecessor has to be closed here. */
  takesOver(transport: 'webrtc' | 'mse'): void
  /** Media flows. */
  connected(): void
  /** The camera is away; the connection stays. */
  interrupted(cause: string, detail: string | null): void
  failed(cause: TransportFailure): void
}

const POSTER_WIDTH = 640
const WEBRTC_PATIENCE_MS = 3000
const WEBRTC_BLOCKED_FOR_MS = 5 * 60_000
/** The ticket in the addresses is good for 30 s. */
const TICKET_GOOD_MS = 20_000
const OFFER_REFUSED: ReadonlySet<number> = new Set([400, 406, 415, 422])

/** Learnt by one tile, true for all: this network lets no WebRTC through. */
let webRtcBlockedUntil_ms = 0

/** What to ask the gateway for: without WebRTC where it was lately found blocked. */
export function abilitiesHere(): ClientAbilities {
  const able = abilities()
  return webRtcBlockedUntil_ms > Date.now() && playsMediaSource() ? { ...able, webrtc: false } : able
}

/** The picture on the screen stays, as the element's poster, until its successor's first. */
function keepPicture(video: HTMLVideoElement): void {
  if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return
  const canvas = document.createElement('canvas')
  canvas.width = Math.min(POSTER_WIDTH, video.videoWidth)
  canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth)
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height)
  video.poster = canvas.toDataURL('image/jpeg', 0.7)
}

export class LiveTransport {
  private carrier: WhepSession | MseSession | null = null
  private patienceTimer = 0
  private closed = false
  private readonly opened_ms = Date.now()

  constructor(
    private readonly video: HTMLVideoElement,
    readonly session: LiveSession,
    private readonly events: TransportEvents,
  ) {}

  /**
   * `screenIsFree`: nothing is on the screen that would be lost by looking early.
   *
   * @throws ApiError as the gateway refused the offer; a DOMException where its answer is unusable.
   */
  async open(able: ClientAbilities, screenIsFree: boolean, signal: AbortSignal): Promise<void> {
    if (this.session.transport === 'webrtc' && able.webrtc) await this.openWebRtc(screenIsFree, signal)
    else this.openMse()
  }

  get connected(): boolean {
    return this.carrier?.connected ?? false
  }

  async statistics(): Promise<LiveStatistics | null> {
    return this.carrier === null ? null : await this.carrier.statistics()
  }

  close(): void {
    this.closed = true
    window.clearTimeout(this.patienceTimer)
    this.carrier?.close()
    this.carrier = null
  }

  private async openWebRtc(screenIsFree: boolean, signal: AbortSignal): Promise<void> {
    let stands = false
    const show = (): void => {
      if (this.video.srcObject !== peer.stream) {
        keepPicture(this.video)
        this.video.removeAttribute('src')
        this.video.srcObject = peer.stream
      }
      this.video.play().catch(() => undefined)
    }
    const peer = new WhepSession({
      connected: () => {
        if (this.carrier !== peer) return
        window.clearTimeout(this.patienceTimer)
        if (!stands) this.events.takesOver('webrtc')
        stands = true
        show()
        this.events.connected()
      },
      failed: () => {
        if (this.carrier !== peer) return
        if (stands) this.events.failed('connection_lost')
        else this.fallBack()
      },
    })
    this.carrier = peer
    try {
      await peer.open(this.session.whep_url, signal)
    } catch (error) {
      peer.close()
      if (this.carrier === peer) this.carrier = null
      // What one transport cannot carry (B-frames, a profile), the other may.
      if (error instanceof ApiError && OFFER_REFUSED.has(error.status) && playsMediaSource()) {
        this.openMse()
        return
      }
      throw error
    }
    if (this.carrier !== peer || stands) return
    if (screenIsFree) show() // the first picture counts
    // Counted from the answer: until then it was the camera or the transcoder that took its time.
    this.patienceTimer = window.setTimeout(() => {
      if (this.carrier === peer && !stands) this.fallBack()
    }, WEBRTC_PATIENCE_MS)
  }

  private fallBack(): void {
    window.clearTimeout(this.patienceTimer)
    if (playsMediaSource()) webRtcBlockedUntil_ms = Date.now() + WEBRTC_BLOCKED_FOR_MS
    this.carrier?.close()
    this.carrier = null
    if (Date.now() - this.opened_ms < TICKET_GOOD_MS) this.openMse()
    else this.events.failed(playsMediaSource() ? 'ticket_spent' : 'webrtc_blocked')
  }

  private openMse(): void {
    if (this.closed) return
    if (!playsMediaSource()) {
      this.events.failed('webrtc_blocked')
      return
    }
    // An element plays one source: the former goes first.
    this.events.takesOver('mse')
    keepPicture(this.video)
    const socket = new MseSession(this.video, this.session.mse_url, {
      connected: () => {
        if (this.carrier !== socket) return
        this.video.play().catch(() => undefined)
        this.events.connected()
      },
      interrupted: (cause, detail) => {
        if (this.carrier === socket) this.events.interrupted(cause, detail)
      },
      failed: (cause) => {
        if (this.carrier !== socket) return
        this.events.failed(cause === 'unplayable' || cause === 'not_allowed' ? cause : 'connection_lost')
      },
    })
    this.carrier = socket
  }
}
