/** Grants, roles and rights in words. */
import type { Grant, Right } from '@/api/types'
import { dateTime } from '@/format'
import { hasWords, translate } from '@/locales'

const worded = (key: string, fallback: string): string => (hasWords(key) ? translate(key) : fallback)

export const roleText = (role: string): string => worded(`grants.roles.${role}`, role)
export const rightText = (right: Right): string => worded(`grants.rights.${right}`, right)
export const rightsText = (rights: readonly Right[]): string => rights.map(rightText).join(translate('common.between'))

export const placeText = (grant: Grant): string =>
  grant.area_path.length === 0 ? translate('areas.wholeCounty') : grant.area_path.join(' / ')

/** "until …", "from … to …"; empty when it holds without end. */
export function validityText({ valid_from_us: from, valid_until_us: until }: Grant): string {
  if (from === null && until === null) return ''
  if (from === null) return translate('grants.until', { time: dateTime(until ?? 0) })
  if (until === null) return translate('grants.from', { time: dateTime(from) })
  return translate('grants.period', { from: dateTime(from), until: dateTime(until) })
}
