/** A screen while it is arranged: what was done can be undone, step by step. */
import { computed, ref, type Ref } from 'vue'

import type { BigScreen, ScreenForm } from './api'

const UNDO_LIMIT = 100

export interface Draft {
  form: Ref<ScreenForm>
  canUndo: Ref<boolean>
  /** Whether anything differs from what was begun with. */
  changed: Ref<boolean>
  /** Call before each change. Those of one `gesture`, one after the other, are one step. */
  remember(gesture?: string): void
  undo(): void
}

export function makeDraft(screen: BigScreen): Draft {
  const { name, area_id, scenes, tour_s, alarm } = screen
  const first = JSON.stringify({ name, area_id, scenes, tour_s, alarm })
  const form = ref<ScreenForm>(JSON.parse(first) as ScreenForm)
  const past = ref<string[]>([])
  let last: string | undefined

  return {
    form,
    canUndo: computed(() => past.value.length > 0),
    changed: computed(() => JSON.stringify(form.value) !== first),
    remember(gesture) {
      if (gesture !== undefined && gesture === last) return
      last = gesture
      past.value = [...past.value, JSON.stringify(form.value)].slice(-UNDO_LIMIT)
    },
    undo() {
      const before = past.value.pop()
      last = undefined
      if (before !== undefined) form.value = JSON.parse(before) as ScreenForm
    },
  }
}
