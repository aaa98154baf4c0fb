/** Which key does what in a meeting: one table, used by the page and shown by the help. */
export type RoomCommand = 'microphone' | 'camera' | 'screen' | 'hand' | 'chat' | 'people' | 'next_page' | 'previous_page' | 'full_screen' | 'escape'

const KEYS: Readonly<Record<string, RoomCommand>> = {
  m: 'microphone',
  v: 'camera',
  s: 'screen',
  h: 'hand',
  c: 'chat',
  p: 'people',
  f: 'full_screen',
  PageDown: 'next_page',
  PageUp: 'previous_page',
  Escape: 'escape',
}

export function roomCommandOf({ key, ctrlKey, altKey, metaKey }: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'altKey' | 'metaKey'>): RoomCommand | null {
  if (ctrlKey || altKey || metaKey) return null
  const plain = key.length === 1 ? key.toLowerCase() : key
  return Object.hasOwn(KEYS, plain) ? (KEYS[plain] ?? null) : null
}

export const ROOM_KEY_HELP: readonly { keys: readonly string[]; words: string }[] = [
  { keys: ['M'], words: 'microphone' },
  { keys: ['V'], words: 'camera' },
  { keys: ['S'], words: 'screen' },
  { keys: ['H'], words: 'hand' },
  { keys: ['C'], words: 'chat' },
  { keys: ['P'], words: 'people' },
  { keys: ['PageUp', 'PageDown'], words: 'pages' },
  { keys: ['F'], words: 'fullScreen' },
  { keys: ['Esc'], words: 'escape' },
]
