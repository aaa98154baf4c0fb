/** A paper as it is kept up to date while somebody looks at it. */
import { onBeforeUnmount, ref, type Ref } from 'vue'

import { isAbort } from '@/api/errors'
import { errorText } from '@/errors'
import { tellError } from '@/notices'
import { useEvery } from '@/shell/every'
import { useEvents } from '@/stores/events'

/** What others write is here after that at the latest; who leads hears of it at once. */
const LOOK_AGAIN_MS = 15_000
const NOT_OFTENER_MS = 2000

export interface Paper<Value> {
  value: Ref<Value | null>
  /** Why there is nothing to show. */
  failure: Readonly<Ref<string>>
  busy: Readonly<Ref<boolean>>
  look(): Promise<void>
  /** Does something with it and shows what came of it; whether it was done. */
  doing(act: () => Promise<Value | undefined | void>): Promise<boolean>
}

export function usePaper<Value>(meetingId: string, load: () => Promise<Value>): Paper<Value> {
  const value = ref(null) as Ref<Value | null>
  const failure = ref('')
  const busy = ref(false)
  let soon = 0
  /** Counts what was written here: an older answer does not come after it. */
  let written = 0

  const { now: look } = useEvery(LOOK_AGAIN_MS, async () => {
    const before = written
    try {
      const loaded = await load()
      if (before === written) value.value = loaded
      failure.value = ''
    } catch (error) {
      if (!isAbort(error)) failure.value = errorText(error)
    }
  })

  async function doing(act: () => Promise<Value | undefined | void>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    try {
      const after = await act()
      written += 1
      if (after === undefined) await look()
      else value.value = after
      return true
    } catch (error) {
      tellError(error)
      return false
    } finally {
      busy.value = false
    }
  }

  const silence = useEvents().listen((event) => {
    if (event.type !== 'meeting' || event.meeting_id !== meetingId || soon !== 0) return
    soon = window.setTimeout(() => {
      soon = 0
      void look()
    }, NOT_OFTENER_MS)
  })
  onBeforeUnmount(() => {
    silence()
    window.clearTimeout(soon)
  })

  return { value, failure, busy, look, doing }
}
