/** Hours of the week, in words. */
import type { Hours, Span } from '@/api/zones'
import { translate } from '@/locales'

import { endsNextDay, scheduleName, TIME_ZONE } from './draft'

export function hoursText({ schedule, time_zone }: Hours): string {
  const name = scheduleName(schedule)
  const text = name === 'own' ? schedule.map(spanText).join(translate('zones.betweenSpans')) : translate(`zones.schedules.${name}`)
  return time_zone === TIME_ZONE ? text : `${text} (${time_zone})`
}

function spanText(span: Span): string {
  const days = span.days.length === 7 ? translate('zones.everyDay') : translate('zones.onDays', { days: span.days.map((day) => translate(`zones.days.${day}`)).join(translate('common.between')) })
  return translate(endsNextDay(span) ? 'zones.spanOver' : 'zones.span', { days, start: span.start, end: span.end })
}
