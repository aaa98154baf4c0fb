/** What every page shows of notices: how many are unread, and the emergencies that hold. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { notices as api, type Emergency } from '@/noticeboard/api'
import { atMostEvery } from '@/shell/seldom'

import { useEvents } from './events'
import { useSession } from './session'

const LOOK_EVERY_MS = 1000
const LOOK_AGAIN_MS = 60_000
/** A notice to a county: its consoles do not all ask in the same moment. */
const SPREAD_MS = 3000

export const useNoticeboard = defineStore('noticeboard', () => {
  const unread = ref(0)
  const emergencies = ref<Emergency[]>([])
  /** The office whose screen this is, while it is one. */
  const siteId = ref<string | null>(null)
  const events = useEvents()
  const session = useSession()
  let timer = 0
  let spread = 0

  async function look(): Promise<void> {
    window.clearTimeout(timer)
    if (session.signedIn && session.current?.must_change_password !== true && session.current?.must_enrol_totp !== true) {
      try {
        const now = await api.current()
        unread.value = now.unread
        emergencies.value = now.emergencies
      } catch {
        // The bar says already that the gateway is away; what was pinned stays until it is over.
      }
    } else {
      unread.value = 0
      emergencies.value = []
    }
    timer = window.setTimeout(() => void look(), LOOK_AGAIN_MS)
  }

  const { ask: lookSoon } = atMostEvery(LOOK_EVERY_MS, () => void look())

  events.listen((event) => {
    if (event.type !== 'notice' || event.event === 'changed') return
    if (event.priority === 'emergency') lookSoon()
    else {
      window.clearTimeout(spread)
      spread = window.setTimeout(lookSoon, Math.random() * SPREAD_MS)
    }
  })
  watch(() => [session.current?.user.id, session.current?.must_change_password, session.current?.must_enrol_totp], lookSoon, { immediate: true })
  // What came while the line was dead is to be asked for.
  watch(
    () => events.connection,
    (now) => {
      if (now === 'connected') lookSoon()
    },
  )

  return { unread, emergencies, siteId, look, lookSoon }
})
