/** The inbox by keys: j and k move, the others do something with the alarm that one stands on. */
import { onBeforeUnmount, onMounted, ref, watch, type ComputedRef, type Ref } from 'vue'

import type { Alarm } from '@/api/alarms'

export interface InboxActs {
  choose(alarm: Alarm): void
  acknowledge(alarm: Alarm): void
  mute(): void
}

/** Where one stands after a step: at an end it stays, and from nowhere it is the first. */
export function stepped(ids: readonly string[], current: string | null, by: 1 | -1): string | null {
  const at = current === null ? -1 : ids.indexOf(current)
  if (at === -1) return ids[0] ?? null
  return ids[Math.min(Math.max(at + by, 0), ids.length - 1)] ?? null
}

/** Gives the id of the alarm that one stands on. */
export function useInboxKeys(shown: ComputedRef<Alarm[]>, acts: InboxActs): Ref<string | null> {
  const current = ref<string | null>(null)

  watch(shown, (alarms) => {
    if (!alarms.some(({ id }) => id === current.value)) current.value = null
  })

  const row = (): HTMLElement | null => (current.value === null ? null : document.querySelector(`[data-alarm="${CSS.escape(current.value)}"]`))
  const press = (selector: string): void => row()?.querySelector<HTMLElement>(selector)?.click()

  function pressed(event: KeyboardEvent): void {
    const target = event.target instanceof HTMLElement ? event.target : null
    const writes = target !== null && (target.isContentEditable || (target.matches('input, textarea, select') && !target.matches('[type="checkbox"]')))
    if (writes || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('.el-overlay:not([style*="display: none"])') !== null) return
    const alarm = shown.value.find(({ id }) => id === current.value)
    if (event.key === 'j' || event.key === 'k') {
      current.value = stepped(shown.value.map(({ id }) => id), current.value, event.key === 'j' ? 1 : -1)
      row()?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'm') acts.mute()
    else if (alarm === undefined) return
    else if (event.key === 'x') acts.choose(alarm)
    else if (event.key === 'a') acts.acknowledge(alarm)
    else if (event.key === 's') press('[data-snooze]')
    else if (event.key === 'l') press('[data-live]')
    else if (event.key === 'p') press('[data-footage]')
    else return
    event.preventDefault()
  }

  onMounted(() => window.addEventListener('keydown', pressed))
  onBeforeUnmount(() => window.removeEventListener('keydown', pressed))
  return current
}
