/** What can be brought into a meeting, each with a form of its own in the same dialog. */
import type { Glyph } from '@/shell/glyphs'

export const BRINGABLE = ['sites', 'cameras', 'players', 'telephones', 'codecs', 'link'] as const
export type Bringable = (typeof BRINGABLE)[number]

export const GLYPH_OF: Record<Bringable, Glyph> = { sites: 'people', cameras: 'camera', players: 'play', telephones: 'phone', codecs: 'device', link: 'link' }

/** As RFC 3261 and RFC 3966 write what is dialled; null for what nobody can dial. */
export function dialled(typed: string): string | null {
  const text = typed.trim()
  if (/^(sips?|tel):/i.test(text)) return text.replace(/^[a-z]+/i, (scheme) => scheme.toLowerCase())
  if (/^\+?[0-9][0-9 ()-]{2,29}$/.test(text)) return `tel:${text.replace(/[ ()]/g, '')}`
  if (/^[A-Za-z0-9._~+-]{1,64}@[A-Za-z0-9.:[\]-]{1,100}$/.test(text)) return `sip:${text}`
  return null
}
