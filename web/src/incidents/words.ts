/** What is said of an incident: how long it has, what a step did. */
import { dateTime, duration } from '@/format'
import { translate } from '@/locales'

import type { Incident, Limit, Step } from './api'

const HOUR_US = 3_600_000_000
const DAY_US = 24 * HOUR_US

/** "还剩 3 小时", "超时 20 分钟", or nothing where no clock runs. */
export function dueText(incident: Pick<Incident, 'red_us' | 'suspended'>, now_ms: number): string {
  if (incident.red_us === null) return incident.suspended ? translate('incidents.standsStill') : ''
  const left_ms = incident.red_us / 1000 - now_ms
  return translate(left_ms > 0 ? 'incidents.left' : 'incidents.over', { time: duration(Math.abs(left_ms)) })
}

/** Where it is: the smallest two areas, and what was said of the place. */
export const placeText = (incident: Pick<Incident, 'area_names' | 'place'>): string =>
  [incident.area_names.slice(-2).join(' / '), incident.place].filter((one) => one !== '').join(' · ')

export function limitText(limit: Limit | null): string {
  if (limit === null) return translate('incidents.noLimit')
  const time = limit.us % DAY_US === 0 ? translate('common.days', { count: limit.us / DAY_US }) : duration(limit.us / 1000)
  return limit.working ? translate('incidents.working', { time }) : time
}

/** What a step did, beside its name and words. */
export function stepText(step: Step): string {
  const { detail } = step
  const parts: string[] = []
  if (typeof detail['unit_name'] === 'string') parts.push(`→ ${detail['unit_name']}`)
  if (typeof detail['us'] === 'number') parts.push(`+${duration(detail['us'] / 1000)}`)
  if (typeof detail['reply_due_us'] === 'number') parts.push(translate('incidents.replyBy', { time: dateTime(detail['reply_due_us']) }))
  if (typeof detail['result'] === 'string') parts.push(translate(`incidents.results.${detail['result']}`))
  if (typeof detail['rating'] === 'number') parts.push('★'.repeat(detail['rating']))
  if (typeof detail['number'] === 'string') parts.push(detail['number'])
  if (typeof detail['made_us'] === 'number') parts.push(translate('incidents.madeAt', { time: dateTime(detail['made_us']) }))
  if (detail['late'] === true) parts.push(translate('incidents.late'))
  return parts.join(' ')
}
