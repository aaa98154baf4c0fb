/** How the cameras on a map are, as the events tell it, drawn once a second at most. */
import { onBeforeUnmount, type ShallowRef } from 'vue'

import { atMostEvery } from '@/shell/seldom'
import { useEvents } from '@/stores/events'

import type { PlacedCamera, PlacedState } from './api'
import { stateAfter } from './states'

const DRAWN_EVERY_MS = 1000

/** Keeps `all` current; `draw` is given what has changed. */
export function useStates(all: ShallowRef<ReadonlyMap<string, PlacedCamera>>, draw: (changed: ReadonlyMap<string, PlacedState>) => void): void {
  let changed = new Map<string, PlacedState>()

  const soon = atMostEvery(DRAWN_EVERY_MS, () => {
    const now = changed
    changed = new Map()
    draw(now)
    const next = new Map(all.value)
    for (const [id, state] of now) {
      const camera = next.get(id)
      if (camera !== undefined) next.set(id, { ...camera, state })
    }
    all.value = next
  })

  const stopListening = useEvents().listen((event) => {
    if (event.type !== 'camera_state') return
    const state = stateAfter(changed.get(event.camera_id) ?? all.value.get(event.camera_id)?.state, event.variant, event.state)
    if (state === undefined) return
    changed.set(event.camera_id, state)
    soon.ask()
  })

  onBeforeUnmount(() => {
    stopListening()
    soon.stop()
  })
}
