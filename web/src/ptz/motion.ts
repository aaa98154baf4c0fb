/** From a hand on the joystick or on the keys to speeds. */
import type { PtzCommand } from '@/api/ptz'

/** Goes on until it is stopped, and is renewed while the hand stays. */
export interface Motion {
  action: 'move' | 'focus' | 'iris'
  pan: number
  tilt: number
  /** Of `focus` and `iris` their speed. */
  zoom: number
}

const DEAD_ZONE = 0.12
/** Finer than any head turns: the rest would be commands for nothing. */
const STEPS = 20

const stepped = (speed: number): number => Math.round(Math.max(-1, Math.min(1, speed)) * STEPS) / STEPS || 0

export const commandOf = ({ action, pan, tilt, zoom }: Motion): PtzCommand => (action === 'move' ? { action, pan, tilt, zoom } : { action, zoom })

export const isSame = (one: Motion | null, other: Motion | null): boolean =>
  one === other ||
  (one !== null && other !== null && one.action === other.action && one.pan === other.pan && one.tilt === other.tilt && one.zoom === other.zoom)

/** `x` and `y` from the middle of the pad in its radii, `y` downwards; null in the dead zone. */
export function padMotion(x: number, y: number, fastest: number): Motion | null {
  const length = Math.hypot(x, y)
  if (length < DEAD_ZONE) return null
  const speed = (Math.min(1, length) - DEAD_ZONE) / (1 - DEAD_ZONE)
  // The least that moves at all, and finer control where it is slow.
  const scaled = Math.max(1 / STEPS, speed * speed * fastest)
  return { action: 'move', pan: stepped((x / length) * scaled), tilt: stepped((-y / length) * scaled), zoom: 0 }
}

export const zoomMotion = (direction: 1 | -1, fastest: number): Motion => ({ action: 'move', pan: 0, tilt: 0, zoom: stepped(direction * fastest) })
export const lensMotion = (action: 'focus' | 'iris', direction: 1 | -1, fastest: number): Motion => ({ action, pan: 0, tilt: 0, zoom: stepped(direction * fastest) })

const KEYS: Readonly<Record<string, Partial<Motion>>> = {
  ArrowLeft: { pan: -1 },
  ArrowRight: { pan: 1 },
  ArrowUp: { tilt: 1 },
  ArrowDown: { tilt: -1 },
  '+': { zoom: 1 },
  '=': { zoom: 1 },
  '-': { zoom: -1 },
  '[': { action: 'focus', zoom: -1 },
  ']': { action: 'focus', zoom: 1 },
  ',': { action: 'iris', zoom: -1 },
  '.': { action: 'iris', zoom: 1 },
}

export const isMotionKey = (key: string): boolean => Object.hasOwn(KEYS, key)

/** What all keys that are held mean together; the lens alone where one of its keys is held. */
export function keyMotion(held: Iterable<string>, fastest: number): Motion | null {
  const sum: Motion = { action: 'move', pan: 0, tilt: 0, zoom: 0 }
  for (const key of held) {
    const part = KEYS[key]
    if (part === undefined) continue
    if (part.action !== undefined) return lensMotion(part.action as 'focus' | 'iris', (part.zoom ?? 1) as 1 | -1, fastest)
    sum.pan += part.pan ?? 0
    sum.tilt += part.tilt ?? 0
    sum.zoom += part.zoom ?? 0
  }
  if (sum.pan === 0 && sum.tilt === 0 && sum.zoom === 0) return null
  return { action: 'move', pan: stepped(sum.pan * fastest), tilt: stepped(sum.tilt * fastest), zoom: stepped(sum.zoom * fastest) }
}
