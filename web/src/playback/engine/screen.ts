/** One <video> with one MediaSource and one SourceBuffer, whose operations queue up one by one. */

import type { Interval } from '@/api/types'

import { PlaybackError } from './errors'
import { merge } from './intervals'
import { muteFragments, muteInit, pictureMime, pictureTimes, pictureTrack, soundTrackIds } from './fmp4'
import type { PictureTrack } from './fmp4'
import type { Run } from './wire'

/** The source buffer is full; let something go and try again. */
export class BufferFull extends Error {}

export interface RunInit {
  bytes: Uint8Array<ArrayBuffer>
  track: PictureTrack | null
  sound_ids: number[]
}

export function readInit(bytes: Uint8Array<ArrayBuffer>): RunInit {
  return { bytes, track: pictureTrack(bytes), sound_ids: soundTrackIds(bytes) }
}

const TOLERANCE_US = 100_000
const SPAN_S = 40 * 24 * 3600

export class Screen {
  readonly video: HTMLVideoElement
  readonly with_sound: boolean
  /** Wall-clock time of media time 0. */
  readonly origin_us: number
  failure: PlaybackError | null = null
  /** When each picture is shown, for what was appended: by fragment, sorted within. */
  readonly pictures = new Map<string, number[]>()

  private source = new MediaSource()
  private buffer: SourceBuffer | null = null
  private url: string
  private queue: Promise<unknown>
  private run: Run | null = null
  private mime = ''
  private closed = false

  constructor(origin_us: number, with_sound: boolean) {
    this.origin_us = origin_us
    this.with_sound = with_sound
    this.video = document.createElement('video')
    this.video.muted = true
    this.video.playsInline = true
    this.video.preload = 'auto'
    this.video.disableRemotePlayback = true
    this.url = URL.createObjectURL(this.source)
    this.queue = new Promise<void>((resolve) => {
      this.source.addEventListener('sourceopen', () => resolve(), { once: true })
    })
    this.video.addEventListener('error', () => this.fail(this.video.error?.message ?? 'decode error'))
    this.video.src = this.url
  }

  /** Whether a run can be shown here without a new MediaSource. */
  accepts(run: Run): boolean {
    if (!this.buffer) return true
    if (this.with_sound && !run.has_audio) return false
    return this.mimeFor(run) === this.mime || typeof this.buffer.changeType === 'function'
  }

  /** Whether an instant can be addressed here (media time is never negative). */
  reaches(us: number): boolean {
    return us >= this.origin_us && us < this.origin_us + SPAN_S * 1e6
  }

  mediaTime(us: number): number {
    return (us - this.origin_us) / 1e6
  }

  wallClock(media_s: number): number {
    return this.origin_us + media_s * 1e6
  }

  get position_us(): number {
    return this.wallClock(this.video.currentTime)
  }

  /** What the browser holds, in wall-clock time; holes that nobody sees are closed. */
  buffered(): Interval[] {
    const ranges: Interval[] = []
    const held = this.buffer && !this.closed && this.source.readyState !== 'closed' ? this.buffer.buffered : null
    for (let i = 0; held && i < held.length; i += 1) {
      ranges.push({
        start_us: Math.round(this.wallClock(held.start(i))),
        end_us: Math.round(this.wallClock(held.end(i))),
      })
    }
    return merge(ranges, TOLERANCE_US)
  }

  /**
   * Append fragments of one run; `offset_s` is the media time of the run's start. `key` names them in
   * `pictures`. Raises BufferFull, or PlaybackError when they cannot be shown.
   */
  append(
    run: Run,
    init: RunInit,
    media: Uint8Array<ArrayBuffer>,
    key: string | null = null,
    offset_s: number = this.mediaTime(run.start_us),
  ): Promise<void> {
    return this.enqueue(async () => {
      const mime = this.mimeFor(run)
      if (!this.buffer) {
        if (!MediaSource.isTypeSupported(mime)) {
          throw new PlaybackError('unsupported', `this browser does not play ${mime}`)
        }
        this.source.duration = SPAN_S
        this.buffer = this.source.addSourceBuffer(mime)
        this.mime = mime
      }
      if (run !== this.run) {
        if (mime !== this.mime) {
          this.buffer.changeType(mime)
          this.mime = mime
        }
        const bytes = init.bytes.slice()
        if (!this.with_sound) muteInit(bytes)
        await this.operate((buffer) => buffer.appendBuffer(bytes))
        this.run = run
      }
      if (this.buffer.timestampOffset !== offset_s) this.buffer.timestampOffset = offset_s
      if (!this.with_sound) muteFragments(media, init.sound_ids)
      if (init.track && key) {
        const times = pictureTimes(media, init.track).map((us) => run.start_us + us)
        this.pictures.set(key, times)
      }
      await this.operate((buffer) => buffer.appendBuffer(media))
    })
  }

  remove(range: Interval): Promise<void> {
    for (const [key, times] of this.pictures) {
      const last = times[times.length - 1]
      if (last === undefined || (times[0] >= range.start_us && last < range.end_us)) {
        this.pictures.delete(key)
      }
    }
    const start = Math.max(0, this.mediaTime(range.start_us))
    const end = this.mediaTime(range.end_us)
    if (end <= start) return Promise.resolve()
    return this.enqueue(async () => {
      if (this.buffer) await this.operate((buffer) => buffer.remove(start, end))
    })
  }

  /** The picture shown at an instant, the one before and the one after, as far as they are held. */
  picturesAround(us: number): { before: number | null; shown: number | null; after: number | null } {
    let before: number | null = null
    let shown: number | null = null
    let after: number | null = null
    const at = us + 1
    for (const times of this.pictures.values()) {
      for (const time of times) {
        if (time > at) {
          if (after === null || time < after) after = time
        } else if (shown === null || time > shown) {
          before = shown
          shown = time
        } else if (time < shown && (before === null || time > before)) {
          before = time
        }
      }
    }
    return { before, shown, after }
  }

  close(): void {
    this.closed = true
    this.video.pause()
    this.video.removeAttribute('src')
    this.video.load()
    URL.revokeObjectURL(this.url)
    this.video.remove()
  }

  private mimeFor(run: Run): string {
    return this.with_sound ? run.mime : pictureMime(run.mime)
  }

  private fail(message: string): void {
    if (!this.closed && !this.failure) this.failure = new PlaybackError('undecodable', message)
  }

  private enqueue(operation: () => Promise<void>): Promise<void> {
    const result = this.queue.then(() => {
      if (this.closed || this.source.readyState === 'closed') return undefined
      return operation()
    })
    this.queue = result.catch(() => undefined)
    return result
  }

  private operate(start: (buffer: SourceBuffer) => void): Promise<void> {
    const buffer = this.buffer
    if (!buffer) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const finish = (error?: Error) => {
        buffer.removeEventListener('updateend', done)
        buffer.removeEventListener('error', failed)
        if (error) reject(error)
        else resolve()
      }
      const done = () => finish()
      const failed = () => {
        this.fail('the browser refused a fragment')
        finish(this.failure ?? undefined)
      }
      buffer.addEventListener('updateend', done)
      buffer.addEventListener('error', failed)
      try {
        start(buffer)
      } catch (error) {
        if (error instanceof DOMException && error.name === 'QuotaExceededError') {
          finish(new BufferFull())
        } else {
          this.fail(String(error))
          finish(this.failure ?? undefined)
        }
      }
    })
  }
}
