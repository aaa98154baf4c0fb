/** Cameras that the console has seen, with their states kept current by the events. */
import { defineStore } from 'pinia'
import { reactive, watch } from 'vue'

import { cameras as api } from '@/api'
import { ApiError } from '@/api/errors'
import type { Camera, SourceStateName, VariantState } from '@/api/types'

import { useEvents } from './events'
import { useSession } from './session'

const AT_ONCE = 500

export const useCameras = defineStore('cameras', () => {
  const byId = reactive(new Map<string, Camera>())
  const missing = reactive(new Set<string>())
  const loading = new Map<string, Promise<Camera | null>>()

  useEvents().listen((event) => {
    if (event.type !== 'camera_state') return
    const camera = byId.get(event.camera_id)
    if (camera === undefined) return
    const { type: _type, camera_id: _id, variant, ...state } = event
    camera.states = { ...camera.states, [variant]: state }
  })

  function keep(cameras: readonly Camera[]): void {
    for (const camera of cameras) {
      byId.set(camera.id, camera)
      missing.delete(camera.id)
    }
  }

  /** The camera, asked for once however many tiles want it; null when it is not there (any more). */
  async function ensure(id: string, fresh = false): Promise<Camera | null> {
    const known = byId.get(id)
    if (known !== undefined && !fresh) return known
    let running = loading.get(id)
    if (running === undefined) {
      running = api
        .read(id)
        .then((camera) => {
          keep([camera])
          return camera
        })
        .catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 404) {
            missing.add(id)
            return null
          }
          throw error
        })
        .finally(() => loading.delete(id))
      loading.set(id, running)
    }
    return await running
  }

  function forget(id: string): void {
    byId.delete(id)
  }

  /** Another person sits here now: what they may do with each, and what they may not know of. */
  async function askAnew(): Promise<void> {
    const former = [...byId.keys()]
    missing.clear()
    const page = await api.list({ limit: AT_ONCE })
    keep(page.items)
    const answered = new Set(page.items.map(({ id }) => id))
    const rest = former.filter((id) => !answered.has(id))
    for (const id of rest) byId.delete(id)
    if (page.next_cursor != null) await Promise.all(rest.slice(0, AT_ONCE).map((id) => ensure(id)))
    else for (const id of rest) missing.add(id)
  }

  const session = useSession()
  watch(
    () => session.current?.user.id,
    (now, before) => {
      if (now !== undefined && before !== undefined) askAnew().catch(() => undefined)
    },
  )

  return { byId, missing, keep, ensure, forget }
})

export type ShownState = SourceStateName | 'disabled' | 'unknown'

/** The state to show for a camera as a whole, in one word. */
export const shownStateName = (camera: Camera): ShownState =>
  camera.enabled ? (shownState(camera)?.state ?? 'unknown') : 'disabled'

/** The state of a camera as a whole: its best variant's. */
export function shownState(camera: Camera | undefined): VariantState | null {
  if (camera === undefined) return null
  const { main, sub } = camera.states
  if (main === undefined) return sub ?? null
  if (main.state !== 'live' && sub?.state === 'live') return sub
  return main
}
