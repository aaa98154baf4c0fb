/** What was found, in words. */
import { duration } from '@/format'
import { hasWords, translate } from '@/locales'
import { typeText } from '@/sightings/words'

import type { Attributes, Hit, Judged, SearchBody } from './api'

const word = (group: string, code: string): string => (hasWords(`search.${group}.${code}`) ? translate(`search.${group}.${code}`) : code)

export const classText = (code: string): string => word('classes', code)
export const colorText = (code: string): string => word('colors', code)
export const directionText = (code: string): string => word('directions', code)
export const speedText = (code: string): string => word('speeds', code)
export const whyText = (code: string): string => word('whys', code)
export const uncoveredText = (code: string): string => word('uncovered', code)

/** "Car or truck", where the model cannot tell. */
export function whatText({ class: own, possible_classes }: Pick<Hit, 'class' | 'possible_classes'>): string {
  const all = [...new Set([own, ...possible_classes])].map(classText)
  return all.length > 1 ? all.join(translate('search.or')) : (all[0] ?? '')
}

const said = (found: Judged | null): found is Judged => found !== null && found.value !== 'unknown'

/** What is hardly more than a guess bears a question mark. */
const SURE = 0.35

/** The colours to show as swatches, with what they are of. */
export function colorsOf(attributes: Attributes): { part: 'color' | 'upper_color' | 'lower_color'; found: Judged }[] {
  const parts = ['upper_color', 'lower_color', 'color'] as const
  return parts.flatMap((part) => {
    const found = attributes[part]
    return said(found) ? [{ part, found }] : []
  })
}

/** "Black", "black or grey", "black?". */
export function judgedColor({ value, second, confidence }: Judged): string {
  const words = second != null && second !== value && second !== 'unknown' ? [value, second].map(colorText).join(translate('search.or')) : colorText(value)
  return confidence < SURE ? `${words}?` : words
}

/** "Person, black top, grey bottom". */
export function looksText(hit: Hit): string {
  const { attributes } = hit
  const type = said(attributes.vehicle_type) ? typeText(attributes.vehicle_type.value) : null
  const parts = [type ?? whatText(hit)]
  for (const { part, found } of colorsOf(attributes)) parts.push(translate(`search.colored.${part}`, { color: judgedColor(found) }))
  if (said(attributes.rider)) parts.push(translate(`search.riders.${attributes.rider.value === 'yes' ? 'yes' : 'no'}`))
  return parts.join(translate('common.between'))
}

export const percent = (share: number): string => `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`

/** Neither nothing nor everything where it is not: "<1%", ">99%". */
export function shareText(share: number): string {
  if (share > 0 && share < 0.01) return '<1%'
  if (share < 1 && share > 0.99) return '>99%'
  return percent(share)
}

/** How sure a finding is, as a word: people read numbers as promises. */
export const sureText = (confidence: number): string =>
  translate(`search.sure.${confidence >= 0.75 ? 'sure' : confidence >= 0.5 ? 'likely' : 'guess'}`)

export const stayText = ({ first_us, last_us }: Pick<Hit, 'first_us' | 'last_us'>): string => duration(Math.max(1000, (last_us - first_us) / 1000))

/** "450 m", "3.2 km". */
export const distanceText = (metres: number): string => (metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`)

/** What a search looks for, in a line: for requests and alarms. */
export function queryText(query: Partial<SearchBody>): string {
  const parts: string[] = []
  if (query.like !== undefined) parts.push(translate('search.byPicture'))
  if (query.classes?.length) parts.push(query.classes.map(classText).join(translate('search.or')))
  const colors = { upper_color: query.upper_color, lower_color: query.lower_color, color: query.color }
  for (const [part, values] of Object.entries(colors)) {
    const all = values === undefined ? [] : Array.isArray(values) ? values : [values as string]
    if (all.length > 0) parts.push(translate(`search.colored.${part}`, { color: all.map(colorText).join(translate('search.or')) }))
  }
  if (query.vehicle_type?.length) parts.push(query.vehicle_type.map(typeText).join(translate('search.or')))
  if (query.plate) parts.push(translate('search.plateOf', { plate: query.plate.pattern }))
  if (query.rider) parts.push(translate(`search.riders.${query.rider}`))
  if (query.camera_ids?.length) parts.push(translate('search.onCameras', { count: query.camera_ids.length }))
  return parts.length > 0 ? parts.join(translate('common.between')) : translate('search.anything')
}
