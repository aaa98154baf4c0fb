/** Alarms and events in words. */
import { PRIORITIES, type Alarm, type AlarmNotice, type DeviceEvent } from '@/api/alarms'
import { clockOffset, dateTime } from '@/format'
import { hasWords, translate } from '@/locales'
import { faultText } from '@/live/words'

/** Whose alarm it is. */
export const subjectOf = ({ kind, camera_name, platform_name, switch_name, network }: Alarm): string =>
  (kind === 'network_down' ? (switch_name ?? network ?? platform_name) : (camera_name ?? platform_name)) ?? ''

/** What a rule tells. */
export function noticeText({ rule_name, step, count, alarm }: AlarmNotice): string {
  if (alarm === null) return translate('alarms.toldHeld', { rule: rule_name, count })
  const what = `${translate(`alarms.kinds.${alarm.kind}`)} ${subjectOf(alarm)}`
  return translate(step > 0 ? 'alarms.toldAgain' : 'alarms.told', { rule: rule_name, what })
}

/** Whether no more is told of it, for who may not see beneath masks. */
export const isBeneathMask = (detail: Alarm['detail']): boolean => detail['masked'] === true && detail['request_id'] === undefined

/** What is behind it, as far as the gateway knows, and how often it came again without an alarm of its own. */
export function detailText(alarm: Pick<Alarm, 'kind' | 'detail'>): string {
  const { more } = alarm.detail
  const again = typeof more === 'number' ? translate('alarms.furtherMatches', { count: more }) : ''
  return [behind(alarm), again].filter((text) => text !== '').join(' · ')
}

function behind({ kind, detail }: Pick<Alarm, 'kind' | 'detail'>): string {
  if (kind === 'network_down') {
    return typeof detail['failed'] === 'number' ? translate('alarms.failedOf', { failed: detail['failed'], of: detail['of'] ?? '?' }) : ''
  }
  if (isBeneathMask(detail)) return translate('alarms.beneathMask')
  if (typeof detail['zone_name'] === 'string') return detail['zone_name']
  if (kind === 'standing_match') return typeof detail['case_number'] === 'string' ? translate('alarms.ofCase', { number: detail['case_number'] }) : ''
  if (kind === 'review_overdue') {
    const of = `approvals.kinds.${String(detail['kind'])}`
    return hasWords(of) ? translate(of) : ''
  }
  if (kind.startsWith('analysis_')) return analysisFault(detail['fault'])
  if (kind === 'camera_health') return Array.isArray(detail['findings']) ? detail['findings'].map((one) => translate(`health.concerns.${String(one)}`)).join(' · ') : ''
  if (isOfForecast(kind)) return typeof detail['when_us'] === 'number' ? translate('alarms.fullFrom', { at: dateTime(detail['when_us']) }) : ''
  if (typeof detail['offset_us'] === 'number') return translate('live.clockOff', { offset: clockOffset(detail['offset_us']) })
  const fault = typeof detail['fault'] === 'string' ? detail['fault'] : ''
  if (fault === '') return ''
  const ofPlatform = `platforms.faults.${fault}`
  const known = hasWords(ofPlatform) ? translate(ofPlatform) : fault
  return kind.startsWith('platform_') ? (known === fault ? faultText(fault, fault) : known) : faultText(fault, known)
}

const isOfForecast = (kind: Alarm['kind']): boolean => kind === 'storage_full_soon' || kind === 'footage_short'

/** What the gateway says of analysis in few fixed words; a model's own message stays as it is. */
function analysisFault(fault: unknown): string {
  const known: Record<string, string> = {
    'the analysis process does not answer': 'silent', 'the detector fails at pictures': 'failing', 'pictures are dropped': 'dropping',
  }
  if (typeof fault !== 'string') return ''
  const word = known[fault]
  return word === undefined ? fault : translate(`alarms.analysisFaults.${word}`)
}

/** Where to act on an alarm that is no camera's or device's own; null: nowhere else. */
export function placeOf({ kind, detail }: Pick<Alarm, 'kind' | 'detail'>): { name: string; params?: Record<string, string>; query?: Record<string, string> } | null {
  if (kind.startsWith('analysis_')) return { name: 'analysis' }
  if (isOfForecast(kind)) return { name: 'forecast' }
  if (kind === 'camera_health') return { name: 'health' }
  if (typeof detail['request_id'] === 'string') return { name: 'search', params: { view: 'requests' }, query: { request: detail['request_id'] } }
  return null
}

/** What told it: of a zone its name. */
export const sourceText = ({ source, detail }: Pick<DeviceEvent, 'source' | 'detail'>): string =>
  typeof detail['zone_name'] === 'string' ? detail['zone_name'] : (source ?? '')

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

/** For how long an alarm may be put off at a click, in ms. */
export const SNOOZES = { m15: 900_000, h1: 3_600_000, h8: 28_800_000, d1: 86_400_000 } as const
export type SnoozeSpan = keyof typeof SNOOZES

/** Whether somebody has put it off, and its time has not come. */
export const sleeps = ({ state, snoozed_until_us }: Pick<Alarm, 'state' | 'snoozed_until_us'>, now_ms: number): boolean =>
  state === 'open' && snoozed_until_us !== null && snoozed_until_us / 1000 > now_ms

/** What is open and seen by nobody stands first, the most urgent of it before the rest; then what is open, then what is over; each by time. */
export const inOrder = (alarms: readonly Alarm[]): Alarm[] => {
  const rank = ({ state, acknowledged_us }: Alarm): number => (state === 'open' ? (acknowledged_us === null ? 0 : 1) : 2)
  const urgency = (alarm: Alarm): number => (rank(alarm) === 0 ? PRIORITIES.indexOf(alarm.priority) : 0)
  return alarms
    .map((alarm, index) => ({ alarm, index }))
    .sort((one, other) => rank(one.alarm) - rank(other.alarm) || urgency(one.alarm) - urgency(other.alarm) || other.alarm.begin_us - one.alarm.begin_us || one.index - other.index)
    .map(({ alarm }) => alarm)
}
