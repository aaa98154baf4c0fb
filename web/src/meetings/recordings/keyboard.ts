/** Keys of a recording's page: those of playback that it has, and its chapters. */
import { commandOf, PLAYBACK_KEY_HELP, type PlaybackCommand } from '@/playback/keyboard'

export type RecordingCommand = PlaybackCommand | { kind: 'chapter'; direction: 1 | -1 }

const NOT_HERE: ReadonlySet<string> = new Set(['mark', 'clear_marks', 'bookmark', 'find'])

/** What a key asks for; null when it is none of ours. */
export function recordingCommandOf(stroke: Parameters<typeof commandOf>[0]): RecordingCommand | null {
  const plain = !stroke.ctrlKey && !stroke.altKey && !stroke.metaKey
  if (plain && (stroke.key === '[' || stroke.key === '【')) return { kind: 'chapter', direction: -1 }
  if (plain && (stroke.key === ']' || stroke.key === '】')) return { kind: 'chapter', direction: 1 }
  const command = commandOf(stroke)
  return command === null || NOT_HERE.has(command.kind) ? null : command
}

const WORDS_NOT_HERE: ReadonlySet<string> = new Set(['marks', 'clearMarks', 'bookmark', 'find'])

/** Rows of the help; the words are `recordings.keys.…` for chapters, else `playback.keyHelp.…`. */
export const RECORDING_KEY_HELP: readonly { keys: string[]; words: string }[] = [
  { keys: ['[', ']'], words: 'recordings.keys.chapters' },
  ...PLAYBACK_KEY_HELP.filter(({ words }) => !WORDS_NOT_HERE.has(words)).map(({ keys, words }) => ({ keys, words: `playback.keyHelp.${words}` })),
]
