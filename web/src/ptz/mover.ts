/**
 * Sends what the hand wants, one command at a time: the newest, never a queue of old ones.
 *
 * A movement is renewed while it lasts, so that the gateway stops the camera if this page dies.
 * A stop is sent until it has arrived.
 */
import { commandOf, isSame, type Motion } from './motion'
import type { Ptz, PtzCommand } from '@/api/ptz'

export interface MoverOptions {
  send(command: PtzCommand): Promise<Ptz>
  /** Each answer. */
  told(ptz: Ptz): void
  /** The camera was refused; the hand has to let go before it can try again. */
  refused(error: unknown): void
  /** Whether after such an error the camera is somebody else's, and not to be stopped by us. */
  isTheirs(error: unknown): boolean
  renew_ms: number
}

/** A hand trembles: more commands a second than these help no device. */
const LEAST_PAUSE_MS = 80
const STOP_AGAIN_MS = [200, 500, 1000, 2000, 4000]

export class Mover {
  private wanted: Motion | null = null
  /** What the camera does now, as far as we know. */
  private doing: Motion | null = null
  private busy = false
  private timer = 0
  private sent_ms = -Infinity
  private failedStops = 0
  /** Refused while the hand was there. */
  private barred = false

  constructor(private readonly options: MoverOptions) {}

  set renew_ms(interval_ms: number) {
    this.options.renew_ms = interval_ms
  }

  get moving(): boolean {
    return this.doing !== null
  }

  /** Null: let go. */
  want(motion: Motion | null): void {
    if (motion === null) this.barred = false
    else if (this.barred) return
    this.wanted = motion
    if (!this.busy && !isSame(this.wanted, this.doing)) this.schedule()
  }

  private schedule(): void {
    window.clearTimeout(this.timer)
    const wait_ms = this.wanted === null ? 0 : Math.max(0, this.sent_ms + LEAST_PAUSE_MS - Date.now())
    if (wait_ms === 0) void this.step()
    else this.timer = window.setTimeout(() => void this.step(), wait_ms)
  }

  private async step(): Promise<void> {
    window.clearTimeout(this.timer)
    const next = this.wanted
    if (this.busy || (next === null && this.doing === null)) return
    this.busy = true
    this.sent_ms = Date.now()
    try {
      const ptz = await this.options.send(next === null ? { action: 'stop' } : commandOf(next))
      this.doing = next
      this.failedStops = 0
      this.options.told(ptz)
    } catch (error) {
      this.failed(next, error)
    } finally {
      this.busy = false
    }
    if (!isSame(this.wanted, this.doing)) this.schedule()
    else if (this.doing !== null) this.timer = window.setTimeout(() => void this.step(), this.options.renew_ms)
  }

  private failed(tried: Motion | null, error: unknown): void {
    const theirs = this.options.isTheirs(error)
    if (tried !== null) {
      this.barred = true
      this.wanted = null
      // It may have arrived all the same: then it has to be stopped.
      this.doing = theirs ? null : tried
      this.options.refused(error)
    } else if (theirs || this.failedStops >= STOP_AGAIN_MS.length) {
      this.doing = null // The gateway stops what nobody renews.
      this.failedStops = 0
    } else {
      const wait_ms = STOP_AGAIN_MS[this.failedStops] ?? 0
      this.failedStops += 1
      this.sent_ms = Date.now()
      // Waited out here, so that a new movement may overtake it.
      const held = this.doing
      this.doing = null
      this.timer = window.setTimeout(() => {
        if (this.wanted !== null || this.busy) return
        this.doing = held
        void this.step()
      }, wait_ms)
    }
  }
}
