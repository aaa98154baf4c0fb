/** Exports that run are asked for again and again; those that are finished are not. */
import { onBeforeUnmount, ref, type Ref } from 'vue'

import type { Export } from '@/api/evidence'

const EVERY_MS = 1000

export const isUnderway = (one: Export): boolean => one.state === 'queued' || one.state === 'running'

/** Calls `load` each second for as long as it gives anything that is under way. */
export function useExportWatch(load: () => Promise<Export[]>): { failed: Ref<boolean>; look(): Promise<void> } {
  const failed = ref(false)
  let timer = 0
  let closed = false

  async function look(): Promise<void> {
    window.clearTimeout(timer)
    let again = true
    try {
      again = (await load()).some(isUnderway)
      failed.value = false
    } catch {
      failed.value = true
    }
    if (again && !closed) timer = window.setTimeout(() => void look(), failed.value ? EVERY_MS * 5 : EVERY_MS)
  }

  onBeforeUnmount(() => {
    closed = true
    window.clearTimeout(timer)
  })
  return { failed, look }
}
