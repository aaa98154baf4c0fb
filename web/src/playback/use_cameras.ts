/** Which cameras are on the page, in which layout, and which of them is selected. */

import { computed, ref, watch } from 'vue'

import type { Camera } from '@/api/types'
import { useCameras } from '@/stores/cameras'

import { MOST_CAMERAS } from './engine/group_player'

export type Layout = 'auto' | '1' | '4' | '9'

export function useChosenCameras() {
  const store = useCameras()
  const ids = ref<string[]>([])
  const selected = ref<string | null>(null)
  const layout = ref<Layout>('auto')

  const capacity = computed(() => (layout.value === 'auto' ? MOST_CAMERAS : Number(layout.value)))
  /** Those that are played: a layout with fewer tiles shows the page that holds the selected one. */
  const shown = computed(() => {
    const at = selected.value ? Math.max(0, ids.value.indexOf(selected.value)) : 0
    const first = Math.floor(at / capacity.value) * capacity.value
    return ids.value.slice(first, first + capacity.value)
  })
  const columns = computed(() => {
    if (layout.value !== 'auto') return Math.sqrt(Number(layout.value))
    return Math.ceil(Math.sqrt(Math.max(1, shown.value.length)))
  })
  const lines = computed(() =>
    layout.value === 'auto' ? Math.ceil(Math.max(1, shown.value.length) / columns.value) : columns.value,
  )

  function camera(id: string): Camera | undefined {
    return store.byId.get(id)
  }

  function nameOf(id: string): string {
    return camera(id)?.name ?? id
  }

  /** False when there is no room for it. */
  function add(id: string): boolean {
    if (!ids.value.includes(id)) {
      if (ids.value.length >= MOST_CAMERAS) return false
      ids.value = [...ids.value, id]
      void store.ensure(id).catch(() => undefined)
    }
    selected.value = id
    return true
  }

  function remove(id: string): void {
    const at = ids.value.indexOf(id)
    ids.value = ids.value.filter((one) => one !== id)
    if (selected.value === id) selected.value = ids.value[Math.min(at, ids.value.length - 1)] ?? null
  }

  let layoutBefore: Layout = 'auto'

  function toggleAlone(id: string): void {
    selected.value = id
    if (layout.value === '1') {
      layout.value = layoutBefore === '1' ? 'auto' : layoutBefore
    } else {
      layoutBefore = layout.value
      layout.value = '1'
    }
  }

  watch(ids, (now) => {
    if (selected.value === null && now.length) selected.value = now[0]
  })

  return { ids, selected, layout, shown, columns, lines, camera, nameOf, add, remove, toggleAlone }
}
