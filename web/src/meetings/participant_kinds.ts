/** What takes part in meetings, as it is drawn. */
import type { Glyph } from '@/shell/glyphs'

import type { ParticipantKind } from './api'

export const GLYPH_OF_KIND: Record<ParticipantKind, Glyph> = { site: 'area', person: 'user', guest: 'link', camera: 'camera', recording: 'play', sip: 'phone', whip: 'device' }
