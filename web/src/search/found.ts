/** One of several that were found in footage, shown large: its footage, and the others by keys. */
import { computed, onBeforeUnmount, onMounted, watch, type ComputedRef } from 'vue'

import type { MarkedRange } from '@/evidence/range'
import { PurposeScope, type Purpose } from '@/purpose/scope'
import { useCameras } from '@/stores/cameras'
import { isForField } from '@/wall/keyboard'

/** With what is shown before and after. */
export interface Footage {
  camera_id: string
  camera_name: string
  start_us: number
  end_us: number
}

interface Found {
  footage: ComputedRef<Footage | null>
  /** The same, to be kept. */
  range: ComputedRef<MarkedRange | null>
  purpose: PurposeScope
}

/** `given`: whoever said why they search says the same of the footage that it leads to. */
export function useFound<One>(shown: () => One | null, footageOf: (one: One) => Footage | null, given: () => Purpose | null): Found {
  const cameras = useCameras()
  const purpose = new PurposeScope('playback')
  const footage = computed(() => {
    const one = shown()
    return one === null ? null : footageOf(one)
  })
  const range = computed(() => {
    if (footage.value === null) return null
    const { camera_id: id, camera_name: name, start_us, end_us } = footage.value
    return { cameras: [{ id, name, rights: cameras.byId.get(id)?.rights ?? [] }], start_us, end_us }
  })
  watch(
    shown,
    () => {
      purpose.forget()
      const said = given()
      if (said !== null) purpose.say(said)
    },
    { immediate: true },
  )
  return { footage, range, purpose }
}

interface Keys {
  /** Whether the dialog is there and nothing lies over it. */
  listens(): boolean
  space(): void
  step(by: 1 | -1): void
  may(by: 1 | -1): boolean
}

/** Left and right go to the others, Space is the dialog's own; its class is `found-dialog`. */
export function useFoundKeys({ listens, space, step, may }: Keys): void {
  function pressed(event: KeyboardEvent): void {
    if (!listens() || event.ctrlKey || event.altKey || event.metaKey || !(event.target instanceof Element)) return
    const { target } = event
    if (target.closest('input, textarea, select') !== null || (isForField(target) && target.closest('.found-dialog') === null)) return
    const by = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : null
    if (by !== null && may(by)) step(by)
    else if (event.key === ' ' && target.closest('button, a') === null) space()
    else return
    event.preventDefault()
  }
  onMounted(() => window.addEventListener('keydown', pressed))
  onBeforeUnmount(() => window.removeEventListener('keydown', pressed))
}
