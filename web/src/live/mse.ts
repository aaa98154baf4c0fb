/**
 * Live by fragments over a WebSocket, played through Media Source Extensions.
 *
 * The fall-back where UDP is closed or WebRTC is missing. Messages as in docs/http-api.md: a `run`
 * announces an initialisation segment; each binary after it is one picture. `tfdt` goes on across
 * runs, so the media timeline of the element is one line.
 */
import { webSocketUrl } from '@/api/client'

import { followEdge } from './edge'
import type { LiveStatistics } from './statistics'

export interface MseEvents {
  /** The first picture of a run is in the buffer. */
  connected(): void
  /** The camera is away; the connection stays. */
  interrupted(cause: string, detail: string | null): void
  /** The connection or the decoder is gone. */
  failed(cause: 'unreachable' | 'closed' | 'unplayable' | 'not_allowed'): void
}

type Message =
  | { type: 'run'; mime: string; start_us: number }
  | { type: 'interrupted'; cause: string; detail?: string | null }
  | { type: 'skipped' }

const KEEP_S = 8
/** Pictures that wait for the buffer before the oldest are given up. */
const QUEUE_LIMIT = 200

export class MseSession {
  private readonly source = new MediaSource()
  private readonly objectUrl: string
  private readonly socket: WebSocket
  private buffer: SourceBuffer | null = null
  private queue: ArrayBuffer[] = []
  private pendingMime: string | null = null
  private mime: string | null = null
  private closed = false
  private announced = false
  private bytes = 0
  private told = 0
  private previous: { at_ms: number; bytes: number; frames: number } | null = null
  private readonly edgeTimer: number

  constructor(
    private readonly video: HTMLVideoElement,
    url: string,
    private readonly events: MseEvents,
  ) {
    this.objectUrl = URL.createObjectURL(this.source)
    video.srcObject = null
    video.src = this.objectUrl
    this.source.addEventListener('sourceopen', () => this.pump())
    video.addEventListener('error', this.elementFailed)
    this.socket = new WebSocket(webSocketUrl(url))
    this.socket.binaryType = 'arraybuffer'
    this.socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.received(data)
    this.socket.onclose = ({ code }) => {
      // The gateway closes with 4000 and the HTTP status that says the same.
      if (!this.closed) this.events.failed(code === 4403 || code === 4404 ? 'not_allowed' : 'unreachable')
    }
    this.edgeTimer = window.setInterval(() => this.follow(), 250)
  }

  get connected(): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  statistics(): LiveStatistics {
    const quality = this.video.getVideoPlaybackQuality()
    const at_ms = performance.now()
    const before = this.previous
    this.previous = { at_ms, bytes: this.bytes, frames: quality.totalVideoFrames }
    const elapsed_s = before === null ? 0 : (at_ms - before.at_ms) / 1000
    const ranges = this.ranges()
    const newest = ranges[ranges.length - 1]
    return {
      transport: 'mse',
      codec: /codecs="([^",]+)/.exec(this.mime ?? '')?.[1] ?? null,
      width: this.video.videoWidth || null,
      height: this.video.videoHeight || null,
      frames_per_second: before !== null && elapsed_s > 0 ? (quality.totalVideoFrames - before.frames) / elapsed_s : null,
      bitrate_bps: before !== null && elapsed_s > 0 ? ((this.bytes - before.bytes) * 8) / elapsed_s : null,
      round_trip_ms: null,
      loss: null,
      delay_ms: newest === undefined ? null : Math.max(0, (newest.end_s - this.video.currentTime) * 1000),
      frames_decoded: quality.totalVideoFrames,
      frames_dropped: quality.droppedVideoFrames,
      remote_address: null,
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    window.clearInterval(this.edgeTimer)
    this.video.removeEventListener('error', this.elementFailed)
    this.socket.onmessage = null
    this.socket.onclose = null
    this.socket.close()
    this.queue = []
    if (this.video.src === this.objectUrl) {
      this.video.removeAttribute('src')
      this.video.load()
    }
    URL.revokeObjectURL(this.objectUrl)
  }

  private readonly elementFailed = (): void => {
    if (!this.closed && this.video.error !== null) this.events.failed('unplayable')
  }

  private received(data: string | ArrayBuffer): void {
    if (data instanceof ArrayBuffer) {
      this.bytes += data.byteLength
      if (this.queue.length < QUEUE_LIMIT) this.queue.push(data)
      else this.events.failed('unplayable') // The decoder stands still; start anew.
      this.pump()
      return
    }
    let message: Message
    try {
      message = JSON.parse(data) as Message
    } catch {
      return
    }
    if (message.type === 'run') {
      if (!MediaSource.isTypeSupported(message.mime)) {
        this.events.failed('unplayable')
        return
      }
      // What still waits belongs to the old run and is older than the edge anyway.
      this.queue = []
      this.pendingMime = message.mime
      this.announced = false
    } else if (message.type === 'interrupted') {
      this.events.interrupted(message.cause, message.detail ?? null)
    }
  }

  private pump(): void {
    if (this.closed || this.source.readyState !== 'open' || this.queue.length === 0) return
    try {
      if (this.buffer === null) {
        if (this.pendingMime === null) return
        this.buffer = this.source.addSourceBuffer(this.pendingMime)
        this.buffer.addEventListener('updateend', () => this.pump())
        this.mime = this.pendingMime
        this.pendingMime = null
      }
      if (this.buffer.updating) return
      if (this.pendingMime !== null) {
        this.buffer.abort()
        this.buffer.changeType(this.pendingMime)
        this.mime = this.pendingMime
        this.pendingMime = null
      }
      const next = this.queue.length === 1 ? this.queue[0] : joined(this.queue)
      this.queue = []
      this.buffer.appendBuffer(next as ArrayBuffer)
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') this.trim(1)
      else if (!this.closed) this.events.failed('unplayable')
    }
  }

  private ranges(): { start_s: number; end_s: number }[] {
    const ranges: { start_s: number; end_s: number }[] = []
    try {
      const buffered = this.buffer?.buffered
      for (let index = 0; buffered !== undefined && index < buffered.length; index += 1) {
        ranges.push({ start_s: buffered.start(index), end_s: buffered.end(index) })
      }
    } catch {
      // The source was closed under us; there is nothing buffered.
    }
    return ranges
  }

  private follow(): void {
    this.tellWhatCame()
    const ranges = this.ranges()
    const action = followEdge(this.video.currentTime, ranges)
    if (action.kind === 'seek') this.video.currentTime = action.to_s
    else if (action.kind === 'rate' && this.video.playbackRate !== action.rate) this.video.playbackRate = action.rate
    if (ranges.length > 0 && !this.announced) {
      this.announced = true
      this.events.connected()
    }
    if (this.video.paused && ranges.length > 0) this.video.play().catch(() => undefined)
    this.trim(KEEP_S)
  }

  /** So the gateway knows what is still on its way here, and skips instead of falling behind. */
  private tellWhatCame(): void {
    if (this.bytes === this.told || this.socket.readyState !== WebSocket.OPEN) return
    this.told = this.bytes
    this.socket.send(JSON.stringify({ type: 'received', bytes: this.bytes }))
  }

  private trim(keep_s: number): void {
    const buffer = this.buffer
    if (buffer === null || buffer.updating || this.source.readyState !== 'open') return
    const first = this.ranges()[0]
    const until_s = this.video.currentTime - keep_s
    if (first !== undefined && until_s - first.start_s > 4) buffer.remove(first.start_s, until_s)
  }
}

function joined(parts: readonly ArrayBuffer[]): ArrayBuffer {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(new Uint8Array(part), offset)
    offset += part.byteLength
  }
  return whole.buffer
}
