/** Keys of the playback page: what editors and control rooms are used to. */

export type PlaybackCommand =
  | { kind: 'toggle' }
  | { kind: 'move'; seconds: number }
  | { kind: 'step'; direction: 1 | -1 }
  | { kind: 'shuttle'; direction: 1 | -1 }
  | { kind: 'pause' }
  | { kind: 'mark'; edge: 'in' | 'out' }
  | { kind: 'clear_marks' }
  | { kind: 'bookmark' }
  | { kind: 'zoom'; factor: number }
  | { kind: 'centre' }
  | { kind: 'snapshot' }
  | { kind: 'find' }
  | { kind: 'sound' }
  | { kind: 'select'; number: number }
  | { kind: 'maximise' }

interface Stroke {
  key: string
  code: string
  shiftKey: boolean
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
}

const BY_KEY: Record<string, PlaybackCommand> = {
  ' ': { kind: 'toggle' },
  ',': { kind: 'step', direction: -1 },
  '.': { kind: 'step', direction: 1 },
  j: { kind: 'shuttle', direction: -1 },
  k: { kind: 'pause' },
  l: { kind: 'shuttle', direction: 1 },
  i: { kind: 'mark', edge: 'in' },
  o: { kind: 'mark', edge: 'out' },
  b: { kind: 'bookmark' },
  '+': { kind: 'zoom', factor: 0.5 },
  '=': { kind: 'zoom', factor: 0.5 },
  '-': { kind: 'zoom', factor: 2 },
  _: { kind: 'zoom', factor: 2 },
  c: { kind: 'centre' },
  s: { kind: 'snapshot' },
  x: { kind: 'find' },
  m: { kind: 'sound' },
  z: { kind: 'maximise' },
  Delete: { kind: 'clear_marks' },
}

/** An input method that types full-width characters (，。) is on at many desks. */
const FULL_WIDTH: Record<string, string> = { '，': ',', '。': '.', '、': ',', '　': ' ' }

/** What a key asks for; null when it is none of ours. */
export function commandOf(stroke: Stroke): PlaybackCommand | null {
  if (stroke.ctrlKey || stroke.altKey || stroke.metaKey) return null
  const far = stroke.shiftKey ? 10 : 1
  if (stroke.key === 'ArrowLeft') return { kind: 'move', seconds: -far }
  if (stroke.key === 'ArrowRight') return { kind: 'move', seconds: far }
  if (/^[1-9]$/.test(stroke.key)) return { kind: 'select', number: Number(stroke.key) }
  const key = stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key
  const known = BY_KEY[FULL_WIDTH[key] ?? key]
  if (known) return known
  // While an input method composes, `key` is "Process": the place of the key still tells.
  if (stroke.key === 'Process' && /^Key[A-Z]$/.test(stroke.code)) {
    return BY_KEY[stroke.code.slice(3).toLowerCase()] ?? null
  }
  return null
}

/** The next rate of the shuttle: 1, 2, 4, 8, 16 in the direction pressed; turning starts at 1. */
export function shuttled(rate: number, playing: boolean, direction: 1 | -1): number {
  if (!playing || Math.sign(rate) !== direction) return direction
  const next = [1, 2, 4, 8, 16].find((step) => step > Math.abs(rate)) ?? 16
  return next * direction
}

/** Rows of the help; the words are `playback.keyHelp.…`. */
export const PLAYBACK_KEY_HELP: { keys: string[]; words: string }[] = [
  { keys: ['Space'], words: 'toggle' },
  { keys: ['←', '→'], words: 'second' },
  { keys: ['Shift ←', 'Shift →'], words: 'tenSeconds' },
  { keys: [',', '.'], words: 'step' },
  { keys: ['J', 'K', 'L'], words: 'shuttle' },
  { keys: ['I', 'O'], words: 'marks' },
  { keys: ['Delete'], words: 'clearMarks' },
  { keys: ['B'], words: 'bookmark' },
  { keys: ['S'], words: 'snapshot' },
  { keys: ['X'], words: 'find' },
  { keys: ['M'], words: 'sound' },
  { keys: ['1 … 9'], words: 'select' },
  { keys: ['Z'], words: 'maximise' },
  { keys: ['+', '−'], words: 'zoom' },
  { keys: ['C'], words: 'centre' },
  { keys: ['Page Up', 'Page Down'], words: 'turn' },
  { keys: ['Home', 'End'], words: 'edges' },
]
