/** Who steers which camera, as the gateway tells it. */
import { defineStore } from 'pinia'
import { reactive, watch } from 'vue'

import { ptz as api, type Ptz } from '@/api/ptz'

import { useEvents } from './events'
import { useSession } from './session'

/** What the events leave out, until it is read. */
const UNREAD = { supported: true, home: null, move_timeout_ms: 1000, idle_s: 0 }

export const usePtz = defineStore('ptz', () => {
  const byId = reactive(new Map<string, Ptz>())

  function keep(ptz: Ptz): void {
    byId.set(ptz.camera_id, ptz)
  }

  useEvents().listen((event) => {
    if (event.type !== 'ptz') return
    const { type: _type, ...news } = event
    keep({ ...(byId.get(news.camera_id) ?? UNREAD), ...news })
  })

  /** @throws ApiError */
  async function load(cameraId: string): Promise<Ptz> {
    const read = await api.read(cameraId)
    keep(read)
    return read
  }

  // Whoever takes the desk over holds other cameras, with another priority.
  const session = useSession()
  watch(
    () => session.current?.user.id,
    () => byId.clear(),
  )

  return { byId, keep, load }
})
