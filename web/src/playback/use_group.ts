/** A GroupPlayer as reactive state: what the page and the small player show of it. */

import { onBeforeUnmount, reactive, shallowRef } from 'vue'

import { nowUs } from '@/api/clock'
import { useCameras } from '@/stores/cameras'

import type { PlaybackError } from './engine/errors'
import type { CameraState } from './engine/follower'
import { GroupPlayer, type GroupOptions, type GroupState, type PlacedCamera } from './engine/group_player'

export interface GroupView {
  state: GroupState
  playing: boolean
  rate: number
  position_us: number
  cameras: Record<string, CameraState>
  /** Which camera shows keyframes only at the moment. */
  keyframes: Record<string, boolean>
  error: PlaybackError | null
}

const POSITION_EVERY_MS = 66

export function useGroup() {
  const known = useCameras()
  const player = shallowRef<GroupPlayer | null>(null)
  const view = reactive<GroupView>({
    state: 'paused',
    playing: false,
    rate: 1,
    position_us: 0,
    cameras: {},
    keyframes: {},
    error: null,
  })

  function take(): void {
    const group = player.value
    if (!group) return
    view.state = group.state
    view.playing = group.playing
    view.rate = group.rate
    view.error = group.error
    view.position_us = group.position_us
    const states: Record<string, CameraState> = {}
    const keyframes: Record<string, boolean> = {}
    for (const camera of group.cameras) {
      states[camera.camera_id] = camera.state
      keyframes[camera.camera_id] = camera.mode === 'keyframes'
    }
    view.cameras = states
    view.keyframes = keyframes
  }

  function open(options: Omit<GroupOptions, 'onChange'>): GroupPlayer {
    player.value?.close()
    const has_device = (camera_id: string) => Boolean(known.byId.get(camera_id)?.platform_id)
    player.value = new GroupPlayer({ has_device, ...options, onChange: take })
    player.value.setServerNow(nowUs())
    take()
    return player.value
  }

  function setCameras(cameras: PlacedCamera[]): void {
    player.value?.setCameras(cameras)
    take()
  }

  function close(): void {
    player.value?.close()
    player.value = null
    view.cameras = {}
    view.playing = false
  }

  const timer = window.setInterval(() => {
    const group = player.value
    if (!group) return
    const position_us = group.position_us
    if (position_us !== view.position_us) view.position_us = position_us
  }, POSITION_EVERY_MS)

  onBeforeUnmount(() => {
    window.clearInterval(timer)
    close()
  })

  return { player, view, open, setCameras, close, take }
}
