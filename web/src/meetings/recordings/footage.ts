/** A meeting's recording as footage for the playback engine. */
import { ApiError } from '@/api/errors'
import type { PlaybackSession } from '@/api/types'
import { PlaybackError } from '@/playback/engine/errors'
import { enterSession, nearestOf, type Footage } from '@/playback/engine/footage_api'

import { recordings as api, type RecordingDetail } from './api'

/** The gateway's refusal, in the words of recordings and not in those of cameras. */
async function asked(session: Promise<PlaybackSession>): Promise<PlaybackSession> {
  try {
    return await session
  } catch (error) {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) throw new PlaybackError('recording_withheld', error.message, error.status)
    throw error
  }
}

/** `recording` gives what is known of it now: while the meeting runs, that grows. */
export const recordingFootage = (recording: () => RecordingDetail): Footage => ({
  open: (wanted) => {
    const { meeting_id, id } = recording()
    return enterSession(asked(api.play(meeting_id, id, wanted.camera_ids)), wanted)
  },
  nearest: (footage_id, us) => Promise.resolve(nearestOf(recording().tracks.find((track) => track.footage_id === footage_id)?.spans ?? [], us)),
})
