/** The console's colours, as a canvas wants them. */
import type { Colours } from './images'

export function mapColours(): Colours {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string): string => style.getPropertyValue(`--gs-${name}`).trim()
  return { text: of('text'), halo: of('surface'), live: of('ok'), away: of('bad'), idle: of('muted'), off: of('line-strong'), accent: of('accent-fill'), yellow: of('warn') }
}
