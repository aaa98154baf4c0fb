/** The footage server's HTTP: a session, and what lies below a camera's `base_url`. */

import { get, post } from '@/api/client'
import { ApiError, isAbort } from '@/api/errors'
import type { DeviceRecordings, Interval, LentStretch, PlaybackSession, Timeline } from '@/api/types'
import type { PurposeScope } from '@/purpose/scope'

import { codeOf, errorOfResponse, PlaybackError } from './errors'
import type { Fragment, IndexAnswer, Run } from './wire'

async function request(url: string, options: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { credentials: 'same-origin', ...options })
  } catch (error) {
    if (isAbort(error)) throw error
    throw new PlaybackError('unreachable', `no answer from ${new URL(url, location.href).pathname}`)
  }
  if (!response.ok) throw await errorOfResponse(response)
  return response
}

/** The API's errors in the engine's terms. */
async function typed<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ApiError) throw new PlaybackError(codeOf(error.status, error.code), error.message, error.status)
    throw error
  }
}

async function bytes(url: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url, { signal })
  try {
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    if (isAbort(error)) throw error
    throw new PlaybackError('unreachable', 'the answer broke off')
  }
}

export interface SessionRequest {
  camera_ids: string[]
  start_us: number
  end_us: number
}

/** An open playback session: who may see which minutes, on which footage server. */
export interface FootageSession extends Interval {
  session_id: string
  base_urls: Map<string, string>
}

/** Where a group's footage comes from: the gateway's cameras, or the recording of a meeting. */
export interface Footage {
  /** A session in which these may be played, then. Raises PlaybackError. */
  open(wanted: SessionRequest): Promise<FootageSession>
  /** Where there is footage on either side of an instant, within a range. */
  nearest(camera_id: string, us: number, range: Interval): Promise<NearestFootage>
}

export interface NearestFootage {
  before_us: number | null
  after_us: number | null
}

export const H265_MIME = 'video/mp4; codecs="hvc1.1.6.L120.90"'

export function playsH265(): boolean {
  return typeof MediaSource !== 'undefined' && MediaSource.isTypeSupported(H265_MIME)
}

/** That of cameras; why somebody looks is told with every session, and asked for where the gateway wants it. */
export const cameraFootage = (purpose: PurposeScope): Footage => ({
  open: (wanted) => openSession(wanted, playsH265(), purpose),
  nearest: nearestFootage,
})

export interface LentClip extends Interval {
  id: string
  camera_id: string
}

/** Minutes that are lent to who asked for them: the gateway knows why, and gives these and no others. */
export const lentFootage = (clip: LentClip): Footage => ({
  open: () => {
    const { id: clip_id, camera_id, start_us, end_us } = clip
    const body = { camera_ids: [camera_id], start_us, end_us, client: { mse_h265: playsH265() }, clip_id }
    return enterSession(post<PlaybackSession>('/api/playback', body), clip)
  },
  nearest: (_, us) => Promise.resolve(nearestOf([clip], us)),
})

/** Take the ticket of a session that the API has answered to the footage server. Raises PlaybackError. */
export async function enterSession(asked: Promise<PlaybackSession>, range: Interval, signal?: AbortSignal): Promise<FootageSession> {
  const answer = await typed(asked)
  await typed(
    post(`/s/${encodeURIComponent(answer.server)}/sessions`, { ticket: answer.ticket }, signal),
  )
  return {
    session_id: answer.session_id,
    start_us: range.start_us,
    end_us: range.end_us,
    base_urls: new Map(answer.cameras.map((camera) => [camera.camera_id, camera.base_url])),
  }
}

/** Ask the API for a ticket, saying why, and open the session with it. Raises PlaybackError. */
export async function openSession(
  wanted: SessionRequest,
  mse_h265: boolean,
  purpose: PurposeScope,
  signal?: AbortSignal,
): Promise<FootageSession> {
  const body = {
    camera_ids: wanted.camera_ids,
    start_us: Math.floor(wanted.start_us),
    end_us: Math.ceil(wanted.end_us),
    client: { mse_h265 },
  }
  const asked = purpose.open((said) => post<PlaybackSession>('/api/playback', { ...body, purpose: said }, signal))
  return await enterSession(asked, wanted, signal)
}

export function fetchTimeline(
  camera_id: string,
  range: Interval,
  resolution_us: number,
  signal?: AbortSignal,
): Promise<Timeline> {
  const query = {
    camera_id,
    start_us: Math.floor(range.start_us),
    end_us: Math.ceil(range.end_us),
    resolution_us: Math.max(0, Math.round(resolution_us)),
  }
  return typed(get<Timeline>('/api/timeline', query, signal))
}

/** What the camera's own device has; it may take seconds. */
export function fetchDeviceRecordings(
  camera_id: string,
  range: Interval,
  signal?: AbortSignal,
): Promise<DeviceRecordings> {
  const query = { camera_id, start_us: Math.floor(range.start_us), end_us: Math.ceil(range.end_us) }
  return typed(get<DeviceRecordings>('/api/timeline/device', query, signal))
}

/** Have what the device has fetched, from an instant on. */
export async function borrow(base_url: string, at_us: number, signal?: AbortSignal): Promise<LentStretch> {
  const url = `${base_url}/borrow?at_us=${Math.floor(at_us)}`
  return (await request(url, { method: 'POST', headers: { 'X-Gridsight': '1' }, signal })).json()
}

export async function fetchIndex(
  base_url: string,
  range: Interval,
  signal?: AbortSignal,
): Promise<IndexAnswer> {
  const query = `start_us=${Math.floor(range.start_us)}&end_us=${Math.ceil(range.end_us)}`
  return (await request(`${base_url}/index?${query}`, { signal })).json()
}

/** Where a run's bytes are: transcoded ones lie under a path of their own. */
function root(base_url: string, run: Run): string {
  return run.transcode ? `${base_url}/transcode` : base_url
}

export function fetchInit(base_url: string, run: Run, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  return bytes(`${root(base_url, run)}/runs/${encodeURIComponent(run.run_id)}/init.mp4`, signal)
}

/** Consecutive fragments of one segment, in one answer. */
export function fetchFragments(
  base_url: string,
  batch: readonly Fragment[],
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const first = batch[0]
  const last = batch[batch.length - 1]
  const segment = `${root(base_url, first.run)}/segments/${encodeURIComponent(first.segment_id)}`
  return bytes(`${segment}/fragments/${first.number}-${last.number}.m4s`, signal)
}

/** The keyframe of one fragment alone. */
export function fetchKeyframe(
  base_url: string,
  fragment: Fragment,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const segment = `${root(base_url, fragment.run)}/segments/${encodeURIComponent(fragment.segment_id)}`
  return bytes(`${segment}/keyframes/${fragment.number}.m4s`, signal)
}

/** First and last instants with footage on either side of `us`, within a range; null when none. */
export async function nearestFootage(
  camera_id: string,
  us: number,
  range: Interval,
  signal?: AbortSignal,
): Promise<NearestFootage> {
  const { spans } = await fetchTimeline(camera_id, range, 1_000_000, signal)
  return nearestOf(spans, us)
}

/** The same of spans that are known, in order of time. */
export function nearestOf(spans: readonly Interval[], us: number): NearestFootage {
  let before_us: number | null = null
  let after_us: number | null = null
  for (const span of spans) {
    if (span.end_us <= us) before_us = span.end_us
    else if (after_us === null) after_us = Math.max(us, span.start_us)
  }
  return { before_us, after_us }
}

export function frameUrl(base_url: string, at_us: number, width: number, exact: boolean): string {
  return `${base_url}/frame.jpg?at_us=${Math.round(at_us)}&width=${width}&exact=${exact}`
}
