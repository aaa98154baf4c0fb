import { dateTime } from '@/format'
import { hasWords, translate } from '@/locales'

import type { Sighting } from './api'

const word = (group: string, code: string): string =>
  hasWords(`sightings.${group}.${code}`) ? translate(`sightings.${group}.${code}`) : code

export const colorText = (code: string): string => word('colors', code)
export const typeText = (code: string): string => word('types', code)
export const kindText = (code: string): string => word('kinds', code)
export const pictureText = (code: string): string => word('pictures', code)

/** "White van", "Red coat, black trousers", or what kind it is. */
export function looksText(one: Sighting): string {
  if (one.kind === 'person') {
    const parts = [
      ...(one.color ? [translate('sightings.coat', { color: colorText(one.color) })] : []),
      ...(one.lower_color ? [translate('sightings.trousers', { color: colorText(one.lower_color) })] : []),
    ]
    return parts.length > 0 ? parts.join(translate('sightings.and')) : kindText(one.kind)
  }
  const what = one.vehicle_type ? typeText(one.vehicle_type) : kindText(one.kind)
  return one.color ? translate('sightings.colored', { color: colorText(one.color), what }) : what
}

/** Lane, direction, speed: what fits a line. */
export function wayText({ facts }: Sighting): string {
  const parts: string[] = []
  if (facts['lane'] !== undefined) parts.push(translate('sightings.laneNo', { lane: facts['lane'] }))
  if (typeof facts['direction'] === 'string') parts.push(word('directions', facts['direction']))
  if (typeof facts['speed_kmh'] === 'number') parts.push(translate('sightings.speed', { speed: Math.round(facts['speed_kmh']) }))
  return parts.join(' · ')
}

const COLORED: ReadonlySet<string> = new Set(['shoes_color', 'cap_color', 'bag_color', 'umbrella_color'])

/** All that is known, as name and value. */
export function factRows(one: Sighting): { name: string; value: string }[] {
  const rows: { name: string; value: string }[] = []
  for (const [name, value] of Object.entries(one.facts)) {
    if (name === 'clock_doubtful') continue
    let text = String(value)
    if (name === 'direction') text = word('directions', text)
    else if (COLORED.has(name)) text = colorText(text)
    else if (name.endsWith('_us')) text = dateTime(Number(value))
    else if (typeof value === 'boolean') text = translate(value ? 'sightings.yes' : 'sightings.no')
    else if (name === 'speed_kmh') text = translate('sightings.speed', { speed: Math.round(Number(value)) })
    rows.push({ name: word('facts', name), value: text })
  }
  return rows
}
