/** One recording as it stands now: looked at again while it grows, or while its MP4 is made. */
import { computed, ref, type ComputedRef, type Ref } from 'vue'

import { ApiError } from '@/api/errors'
import { errorText } from '@/errors'
import { useEvery } from '@/shell/every'

import { recordings as api, type RecordingDetail } from './api'
import { isRendering } from './render'

const LOOK_AGAIN_MS = 3_000

export interface CurrentRecording {
  recording: Ref<RecordingDetail | null>
  /** Why there is none; '' while there is, or while it comes. */
  failure: ComputedRef<string>
  look(): Promise<void>
}

export function useRecording(meetingId: string, id: string): CurrentRecording {
  const recording = ref<RecordingDetail | null>(null)
  const words = ref('')

  const changes = (): boolean => recording.value === null || recording.value.ended_us === null || isRendering(recording.value.render)

  async function load(): Promise<void> {
    try {
      recording.value = await api.read(meetingId, id)
      words.value = ''
    } catch (error) {
      words.value = errorText(error)
      // What one may no longer watch is not shown on either.
      if (error instanceof ApiError && (error.status === 403 || error.status === 404)) recording.value = null
    }
  }

  useEvery(LOOK_AGAIN_MS, () => (changes() ? load() : Promise.resolve()))
  return { recording, failure: computed(() => (recording.value === null ? words.value : '')), look: load }
}
