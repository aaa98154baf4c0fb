/** Sounds of alarms, made in the browser: the more urgent, the higher and the oftener. */
import type { Alarm, Priority } from '@/api/alarms'

interface Tone {
  hertz: number
  times: number
}

/** What is not urgent makes no sound. */
const TONES: Record<Priority, Tone | null> = { emergency: { hertz: 1046, times: 4 }, high: { hertz: 784, times: 2 }, medium: { hertz: 523, times: 1 }, low: null }
const BEAT_S = 0.22
const LOUDNESS = 0.25
/** An alarm that began longer ago is news of another kind: somebody acknowledged it. */
const FRESH_MS = 30_000
/** In a storm one tone is enough, unless something more urgent comes. */
export const REST_MS = 3000
const REMEMBERED = 500

/** Which tone is to be heard of what comes: each alarm once, and again when it comes back, and no more than one in a while. */
export class Ear {
  private readonly heard = new Set<string>()
  private last_ms = -Infinity
  private last_times = 0

  hear(alarm: Pick<Alarm, 'id' | 'priority' | 'state' | 'begin_us' | 'again_us' | 'silent' | 'folded_into' | 'acknowledged_us'>, now_ms: number): Tone | null {
    const since_us = alarm.again_us ?? alarm.begin_us
    const what = `${alarm.id} ${since_us}`
    const known = this.heard.has(what)
    this.heard.add(what)
    const [oldest] = this.heard
    if (this.heard.size > REMEMBERED && oldest !== undefined) this.heard.delete(oldest)
    const fresh = now_ms - since_us / 1000 < FRESH_MS
    if (known || !fresh || alarm.silent || alarm.folded_into !== null || alarm.acknowledged_us !== null || alarm.state !== 'open') return null
    const tone = TONES[alarm.priority]
    if (tone === null || (now_ms - this.last_ms < REST_MS && tone.times <= this.last_times)) return null
    this.last_ms = now_ms
    this.last_times = tone.times
    return tone
  }
}

let context: AudioContext | null = null

/** Silent where the browser allows no sound before somebody has touched the page. */
export function play({ hertz, times }: Tone): void {
  try {
    context ??= new AudioContext()
    void context.resume().catch(() => undefined)
    const gain = context.createGain()
    gain.connect(context.destination)
    const oscillator = context.createOscillator()
    oscillator.frequency.value = hertz
    oscillator.connect(gain)
    const begin_s = context.currentTime
    gain.gain.setValueAtTime(0, begin_s)
    for (let at = 0; at < times; at += 1) {
      gain.gain.setValueAtTime(LOUDNESS, begin_s + at * BEAT_S)
      gain.gain.setValueAtTime(0, begin_s + (at + 0.6) * BEAT_S)
    }
    oscillator.start(begin_s)
    oscillator.stop(begin_s + times * BEAT_S)
  } catch {
    // A machine without sound shows its alarms all the same.
  }
}
