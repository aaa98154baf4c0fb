/** What a camera is told each tick, and what it answers. */

import type { Gap, QueuePlace } from '@/api/types'

import type { PlaybackError } from './errors'
import type { Screen } from './screen'
import type { FragmentIndex } from './fragment_index'
import type { Fragment, Run } from './wire'
import type { RunInit } from './screen'

/** Where the master clock is. */
export interface Target {
  us: number
  rate: number
  /** Whether the clock moves right now (it may be held although the user wants to play). */
  running: boolean
  now_ms: number
  cameras: number
  /** The clock follows this camera, which is therefore never nudged: it is the one that is heard. */
  leads?: boolean
}

/**
 * - `ready`: the picture of the instant is on screen, or the video plays along
 * - `waiting`: the footage exists and is on its way
 * - `unknown`: the index is on its way
 * - `gap`: there is no footage at the instant
 * - `edge`: the instant is newer than the newest footage
 * - `failed`: it will not come without a retry
 */
export type FollowerStatus = 'ready' | 'waiting' | 'unknown' | 'gap' | 'edge' | 'failed'

/** What the two ways of showing a camera need of it. */
export interface Supply {
  readonly index: FragmentIndex
  init(run: Run, signal: AbortSignal): Promise<RunInit>
  fragments(batch: readonly Fragment[], signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  keyframe(fragment: Fragment, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  /** The server no longer has what the index promised. */
  stale(fragments: readonly Fragment[]): void
  /** Something came in: decide anew at once, not at the next tick. */
  changed(): void
}

export interface Follower {
  readonly screen: Screen
  /** Move towards the target; call it often. */
  follow(target: Target): FollowerStatus
  /** The clock jumped. */
  jumped(us: number): void
  close(): void
}

/** A camera's state as the console shows it. */
export type CameraState =
  | { kind: 'loading' }
  | { kind: 'ready' }
  | { kind: 'stalled' }
  /** Only the camera's own device has it, and it is being fetched. */
  | { kind: 'borrowing' }
  | { kind: 'gap'; gap: Gap }
  | { kind: 'edge' }
  | { kind: 'queued'; queue: QueuePlace }
  | { kind: 'error'; error: PlaybackError; retrying: boolean }
