/** Pictures for scrubbing: one request at a time, the newest wish wins, a few are kept. */

import { frameUrl } from '../engine/footage_api'

const KEPT = 120
const THROTTLE_MS = 90

export class Thumbnails {
  private kept = new Map<string, string | null>()
  private wish: { key: string; url: string } | null = null
  private flight: { key: string; controller: AbortController } | null = null
  private lastStart_ms = -Infinity
  private timer: ReturnType<typeof setTimeout> | null = null

  constructor(
    private width: number,
    private onPicture: () => void,
  ) {}

  /** The picture near an instant, if it is held; else it is fetched. Undefined: not known yet. */
  at(base_url: string, us: number, step_us: number): string | null | undefined {
    const at_us = Math.floor(us / step_us) * step_us
    const key = `${base_url}@${at_us}`
    const held = this.kept.get(key)
    if (held !== undefined) {
      this.wish = null
      return held
    }
    this.wish = { key, url: frameUrl(base_url, at_us, this.width, false) }
    if (this.flight && this.flight.key !== key) {
      this.flight.controller.abort()
      this.flight = null
    }
    this.start()
    return undefined
  }

  /** The pointer has gone: nothing is wanted any more. */
  cancel(): void {
    this.wish = null
    this.flight?.controller.abort()
    this.flight = null
  }

  close(): void {
    this.cancel()
    if (this.timer !== null) clearTimeout(this.timer)
    for (const url of this.kept.values()) if (url) URL.revokeObjectURL(url)
    this.kept.clear()
  }

  private start(): void {
    if (!this.wish || this.flight || this.timer !== null) return
    const wait = this.lastStart_ms + THROTTLE_MS - performance.now()
    if (wait > 0) {
      this.timer = setTimeout(() => {
        this.timer = null
        this.start()
      }, wait)
      return
    }
    const { key, url } = this.wish
    const controller = new AbortController()
    this.flight = { key, controller }
    this.lastStart_ms = performance.now()
    fetch(url, { credentials: 'same-origin', signal: controller.signal })
      .then(async (response) => {
        if (response.status === 404) this.keep(key, null)
        else if (response.ok) this.keep(key, URL.createObjectURL(await response.blob()))
      })
      .catch(() => undefined)
      .finally(() => {
        if (this.flight?.controller !== controller) return
        this.flight = null
        this.onPicture()
        if (this.wish && this.wish.key !== key) this.start()
      })
  }

  private keep(key: string, url: string | null): void {
    this.kept.set(key, url)
    const oldest = this.kept.keys().next().value
    if (this.kept.size > KEPT && oldest !== undefined) {
      const old = this.kept.get(oldest)
      if (old) URL.revokeObjectURL(old)
      this.kept.delete(oldest)
    }
  }
}
