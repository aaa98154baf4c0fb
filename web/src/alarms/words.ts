/** Alarms and events in words. */
import type { Alarm, DeviceEvent } from '@/api/alarms'
import { clockOffset } from '@/format'
import { hasWords, translate } from '@/locales'
import { faultText } from '@/live/words'

/** Whose alarm it is. */
export const subjectOf = ({ kind, camera_name, platform_name, switch_name, network }: Alarm): string =>
  (kind === 'network_down' ? (switch_name ?? network ?? platform_name) : (camera_name ?? platform_name)) ?? ''

/** What is behind it, as far as the gateway knows. */
export function detailText({ kind, detail }: Pick<Alarm, 'kind' | 'detail'>): string {
  if (kind === 'network_down') {
    return typeof detail['failed'] === 'number' ? translate('alarms.failedOf', { failed: detail['failed'], of: detail['of'] ?? '?' }) : ''
  }
  if (typeof detail['offset_us'] === 'number') return translate('live.clockOff', { offset: clockOffset(detail['offset_us']) })
  const fault = typeof detail['fault'] === 'string' ? detail['fault'] : ''
  if (fault === '') return ''
  const ofPlatform = `platforms.faults.${fault}`
  const known = hasWords(ofPlatform) ? translate(ofPlatform) : fault
  return kind.startsWith('platform_') ? (known === fault ? faultText(fault, fault) : known) : faultText(fault, known)
}

export const eventText = ({ kind, count }: DeviceEvent): string => {
  const words = translate(`alarms.eventKinds.${kind}`)
  return count > 1 ? translate('alarms.times', { what: words, count }) : words
}

/**
 * A list with news in it: what is known is replaced, what is new comes first, what no longer belongs
 * goes.
 */
export function withNews<Item extends { id: string }>(items: readonly Item[], news: Item, belongs: boolean): Item[] {
  const known = items.some(({ id }) => id === news.id)
  if (!belongs) return known ? items.filter(({ id }) => id !== news.id) : [...items]
  return known ? items.map((item) => (item.id === news.id ? news : item)) : [news, ...items]
}

/** What is open and seen by nobody stands first, then what is open, each by time. */
export const inOrder = (alarms: readonly Alarm[]): Alarm[] => {
  const rank = ({ state, acknowledged_us }: Alarm): number => (state === 'open' ? (acknowledged_us === null ? 0 : 1) : 2)
  return alarms
    .map((alarm, index) => ({ alarm, index }))
    .sort((one, other) => rank(one.alarm) - rank(other.alarm) || other.alarm.begin_us - one.alarm.begin_us || one.index - other.index)
    .map(({ alarm }) => alarm)
}
