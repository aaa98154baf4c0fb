/** Which key does what on the wall: one table, used by the page and shown by the help. */
import type { Grid } from '@/api/types'

import type { Direction } from './grids'

export type WallCommand =
  | { name: 'walk'; direction: Direction }
  | { name: 'swap'; direction: Direction }
  | { name: 'grid'; grid: Grid }
  | {
      name:
        | 'maximise'
        | 'full_screen'
        | 'bare_wall'
        | 'snapshot'
        | 'sound'
        | 'replay_30'
        | 'replay_300'
        | 'bookmark'
        | 'steer'
        | 'talk'
        | 'mark_in'
        | 'mark_out'
        | 'statistics'
        | 'boxes'
        | 'clear'
        | 'escape'
        | 'search'
        | 'tour_pause'
        | 'tour_next'
        | 'tour_previous'
        | 'menu'
        | 'zoom_in'
        | 'zoom_out'
        | 'zoom_whole'
        | 'playback'
        | 'find_similar'
    }

interface Stroke {
  key: string
  shiftKey: boolean
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
}

const ARROWS: ReadonlyMap<string, Direction> = new Map([
  ['ArrowLeft', 'left'],
  ['ArrowRight', 'right'],
  ['ArrowUp', 'up'],
  ['ArrowDown', 'down'],
])

/** Digits choose the arrangement by the number of its tiles (or of its columns). */
const GRID_KEYS: ReadonlyMap<string, Grid> = new Map([
  ['1', '1x1'],
  ['2', '2x2'],
  ['3', '3x3'],
  ['4', '4x4'],
  ['5', '5x5'],
  ['6', '1+5'],
  ['8', '1+7'],
])

const PLAIN = {
  Enter: 'maximise',
  m: 'sound',
  f: 'full_screen',
  w: 'bare_wall',
  s: 'snapshot',
  r: 'replay_30',
  t: 'replay_300',
  b: 'bookmark',
  c: 'steer',
  v: 'talk',
  i: 'mark_in',
  o: 'mark_out',
  d: 'statistics',
  g: 'boxes',
  Delete: 'clear',
  Backspace: 'clear',
  Escape: 'escape',
  '/': 'search',
  ' ': 'tour_pause',
  PageDown: 'tour_next',
  PageUp: 'tour_previous',
  ContextMenu: 'menu',
  '+': 'zoom_in',
  '=': 'zoom_in',
  '-': 'zoom_out',
  '0': 'zoom_whole',
  p: 'playback',
  x: 'find_similar',
} as const

export function commandOf(stroke: Stroke): WallCommand | null {
  if (stroke.ctrlKey || stroke.altKey || stroke.metaKey) return null
  const arrow = ARROWS.get(stroke.key)
  if (arrow !== undefined) return { name: stroke.shiftKey ? 'swap' : 'walk', direction: arrow }
  const grid = GRID_KEYS.get(stroke.key)
  if (grid !== undefined) return { name: 'grid', grid }
  if (stroke.shiftKey && stroke.key === 'F10') return { name: 'menu' }
  const key = stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key
  return Object.hasOwn(PLAIN, key) ? { name: PLAIN[key as keyof typeof PLAIN] } : null
}

/** Whether a key belongs to what has the focus (a field, an open menu) and not to the wall. */
export function isForField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.closest('input, textarea, select, [contenteditable="true"], [role="menu"], [role="dialog"], [role="tree"]') !== null
}

/** For the help: keys as printed on the keyboard, and the key of the words. */
export const KEY_HELP: readonly { keys: readonly string[]; words: string }[] = [
  { keys: ['←', '↑', '→', '↓'], words: 'walk' },
  { keys: ['Shift + ←↑→↓'], words: 'swap' },
  { keys: ['Enter'], words: 'maximise' },
  { keys: ['1', '2', '3', '4', '5'], words: 'grid' },
  { keys: ['6', '8'], words: 'gridMixed' },
  { keys: ['F'], words: 'full_screen' },
  { keys: ['W'], words: 'bare_wall' },
  { keys: ['S'], words: 'snapshot' },
  { keys: ['M'], words: 'sound' },
  { keys: ['R'], words: 'replay_30' },
  { keys: ['T'], words: 'replay_300' },
  { keys: ['P'], words: 'playback' },
  { keys: ['X'], words: 'find_similar' },
  { keys: ['B'], words: 'bookmark' },
  { keys: ['C'], words: 'steer' },
  { keys: ['V'], words: 'talk' },
  { keys: ['I', 'O'], words: 'marks' },
  { keys: ['D'], words: 'statistics' },
  { keys: ['G'], words: 'boxes' },
  { keys: ['+', '−', '0'], words: 'zoom' },
  { keys: ['Delete'], words: 'clear' },
  { keys: ['Space'], words: 'tour_pause' },
  { keys: ['PageUp', 'PageDown'], words: 'tour_step' },
  { keys: ['/'], words: 'search' },
  { keys: ['Shift + F10'], words: 'menu' },
  { keys: ['Esc'], words: 'escape' },
  { keys: ['?'], words: 'help' },
]

/** While the panel for steering is open, these are its own. */
export const STEER_KEY_HELP: readonly { keys: readonly string[]; words: string }[] = [
  { keys: ['←', '↑', '→', '↓'], words: 'steerMove' },
  { keys: ['Shift + ←↑→↓'], words: 'steerSlowly' },
  { keys: ['+', '−'], words: 'steerZoom' },
  { keys: ['[', ']'], words: 'steerFocus' },
  { keys: [',', '.'], words: 'steerIris' },
  { keys: ['1', '…', '9'], words: 'steerPreset' },
  { keys: ['Home'], words: 'steerHome' },
  { keys: ['Esc'], words: 'steerClose' },
]
