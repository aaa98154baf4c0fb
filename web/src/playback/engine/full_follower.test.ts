import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { answer, run, S } from './footage.fixture'
import type { Supply } from './follower'
import { FragmentIndex } from './fragment_index'
import { FullFollower } from './full_follower'
import type { Screen } from './screen'

const TICK_MS = 40

/** A video of a machine that needs `seek_ms` to find a picture; it plays in the time of the test. */
function slowVideo(seek_ms: number) {
  let at_s = 0
  let since_ms = performance.now()
  let arriving: ReturnType<typeof setTimeout> | null = null
  let seeked = () => {}
  const video = {
    paused: true,
    playbackRate: 1,
    // It knows how long it is; there is no picture where it stands.
    readyState: 1,
    addEventListener: (_name: string, listener: () => void) => (seeked = listener),
    get seeking() {
      return arriving !== null
    },
    get currentTime() {
      const moved_s = video.paused ? 0 : ((performance.now() - since_ms) / 1000) * video.playbackRate
      return at_s + moved_s
    },
    set currentTime(media_s: number) {
      at_s = media_s
      if (arriving) clearTimeout(arriving)
      arriving = setTimeout(() => {
        arriving = null
        video.readyState = 4
        since_ms = performance.now()
        seeked()
      }, seek_ms)
    },
    async play() {
      since_ms = performance.now()
      video.paused = false
    },
    pause() {
      at_s = video.currentTime
      video.paused = true
    },
  }
  return video
}

/** A camera with a minute of footage, all of it held. */
function following(seek_ms: number) {
  const video = slowVideo(seek_ms)
  const index = new FragmentIndex()
  const range = { start_us: 0, end_us: 60 * S }
  const durations_us = Array<number>(30).fill(2 * S)
  index.add(answer([{ run: run('a'), start_us: 0, durations_us }]), range)
  const screen = {
    video,
    failure: null,
    buffered: () => [range],
    accepts: () => true,
    mediaTime: (us: number) => us / S,
    picturesAround: (us: number) => ({ before: null, shown: us, after: null }),
    remove: () => Promise.resolve(),
  } as unknown as Screen
  const supply = { index, changed: () => {} } as unknown as Supply
  const follower = new FullFollower(screen, supply, () => {})
  /** Ticks until the picture is there, with the clock running from a second on; the time it took. */
  const untilReady = (limit_ms: number): number => {
    const began_ms = performance.now()
    while (performance.now() - began_ms < limit_ms) {
      const now_ms = performance.now()
      const us = S + (now_ms - began_ms) * 1000
      const status = follower.follow({ us, rate: 1, running: true, now_ms, cameras: 9 })
      if (status === 'ready') return now_ms - began_ms
      vi.advanceTimersByTime(TICK_MS)
    }
    return Infinity
  }
  return { video, untilReady }
}

describe('joining a clock that runs', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }))
  afterEach(() => vi.useRealTimers())

  it.each([20, 120, 400, 900, 2_500])('succeeds on a machine that seeks for %d ms', (seek_ms) => {
    const { video, untilReady } = following(seek_ms)
    const took_ms = untilReady(30_000)
    expect(took_ms).toBeLessThan(3 * seek_ms + 400)
    const late_s = 1 + took_ms / 1000 - video.currentTime
    expect(Math.abs(late_s)).toBeLessThan(0.36)
  })
})
