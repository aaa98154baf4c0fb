/** How the states of a roll call look, wherever they are shown. */
import type { Glyph } from '@/shell/glyphs'

import type { RollCallState } from './api'

export const ROLL_CALL_LOOKS: Readonly<Record<RollCallState, { glyph: Glyph; tone: string }>> = {
  waiting: { glyph: 'clock', tone: 'is-quiet' },
  called: { glyph: 'bell', tone: 'is-warn' },
  present: { glyph: 'check', tone: 'is-ok' },
  late: { glyph: 'check', tone: 'is-warn' },
  absent: { glyph: 'remove', tone: 'is-bad' },
  left_early: { glyph: 'signOut', tone: 'is-bad' },
}
export const ROLL_CALL_STATES = Object.keys(ROLL_CALL_LOOKS) as RollCallState[]
