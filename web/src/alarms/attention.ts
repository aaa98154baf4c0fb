/** What draws a person to alarms wherever in the console one is: a tone, a number in the title of the window, what a rule tells. */
import { onBeforeUnmount, watch } from 'vue'

import type { AlarmNotice } from '@/api/alarms'
import { translate } from '@/locales'
import { warn } from '@/notices'
import { atMostEvery } from '@/shell/seldom'
import { useAlarms } from '@/stores/alarms'
import { useEvents } from '@/stores/events'
import { usePreferences } from '@/stores/preferences'

import { Ear, play } from './sound'
import { noticeText } from './words'

/** However many rules tell at once: one message in so long. */
const TELL_EVERY_MS = 2000

/** For the frame around all pages, once. */
export function useAlarmAttention(): void {
  const alarms = useAlarms()
  const preferences = usePreferences()
  const ear = new Ear()
  const title = document.title
  let untold: AlarmNotice[] = []

  const telling = atMostEvery(TELL_EVERY_MS, () => {
    const [first, ...others] = untold
    untold = []
    if (first !== undefined) warn(others.length === 0 ? noticeText(first) : translate('alarms.toldMany', { count: others.length + 1 }))
  })

  const stops = [
    alarms.listen({
      came: (alarm) => {
        // A muted ear listens on: what it heard meanwhile is not to sound later.
        const tone = ear.hear(alarm, Date.now())
        if (tone !== null && preferences.alarmSound === 'yes') play(tone)
      },
      more: () => undefined,
    }),
    useEvents().listen((event) => {
      if (event.type !== 'alarm_notice') return
      const { type: _type, ...notice } = event
      untold.push(notice)
      telling.ask()
    }),
    watch(
      () => alarms.open,
      (count) => {
        document.title = count > 0 ? `(${count}) ${title}` : title
      },
      { immediate: true },
    ),
  ]

  onBeforeUnmount(() => {
    for (const stop of stops) stop()
    telling.stop()
    document.title = title
  })
}
