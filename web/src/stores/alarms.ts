/** How many alarms wait for somebody, and the newest of them as they come. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { alarms as api, type Alarm } from '@/api/alarms'
import { atMostEvery } from '@/shell/seldom'

import { useEvents } from './events'
import { useSession } from './session'

/** However many alarms come: so often is the gateway asked how many wait. */
const COUNT_EVERY_MS = 1000
const COUNT_AGAIN_MS = 60_000

export interface AlarmListener {
  came(alarm: Alarm): void
  /** More have changed than are told: whoever shows a list asks for it again. */
  more(): void
}

export const useAlarms = defineStore('alarms', () => {
  const open = ref(0)
  const listeners = new Set<AlarmListener>()
  const events = useEvents()
  const session = useSession()
  let timer = 0

  async function count(): Promise<void> {
    window.clearTimeout(timer)
    if (session.signedIn && session.may('live')) {
      try {
        open.value = (await api.list({ state: 'open', acknowledged: false, limit: 1 })).open
      } catch {
        // The bar says already that the gateway is away.
      }
    } else open.value = 0
    timer = window.setTimeout(() => void count(), COUNT_AGAIN_MS)
  }

  const { ask: countSoon } = atMostEvery(COUNT_EVERY_MS, () => void count())

  events.listen((event) => {
    if (event.type === 'alarms_changed') {
      for (const listener of listeners) listener.more()
    } else if (event.type === 'alarm') {
      const { type: _type, ...alarm } = event
      for (const listener of listeners) listener.came(alarm)
    } else return
    countSoon()
  })
  watch(() => session.current?.user.id, countSoon, { immediate: true })
  // What came while the line was dead is to be asked for.
  watch(
    () => events.connection,
    (now) => {
      if (now === 'connected') countSoon()
    },
  )

  /** Returns the function that stops listening. */
  function listen(listener: AlarmListener): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { open, listen, countSoon }
})
