/** The search for changes that runs or ran last, kept while somebody looks at footage and comes back. */
import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef, watch } from 'vue'

import { isAbort } from '@/api/errors'
import type { Point } from '@/api/privacy'
import { errorText, lineText } from '@/errors'
import { openSession } from '@/playback/engine/footage_api'
import { PurposeScope } from '@/purpose/scope'
import { search as api, type ChangeGap, type ChangeLine, type Moment } from '@/search/api'
import { Gathered } from '@/search/results'

import { useSession } from './session'

const ROOM_US = 60_000_000

export const useChange = defineStore('change', () => {
  const purpose = shallowReactive(new PurposeScope('search'))
  /** The same look as the search, under another right. */
  const playback = new PurposeScope('playback')
  const cameraId = ref('')
  const start_us = ref(0)
  const end_us = ref(0)
  /** Of the last few hours, until "now": null where both ends were chosen. */
  const hours = ref<number | null>(1)
  const points = shallowRef<Point[] | null>(null)
  const moments = shallowRef<Moment[]>([])
  const gaps = shallowRef<ChangeGap[]>([])
  const waiting = ref(false)
  const running = ref(false)
  const done_us = ref<number | null>(null)
  /** The last line came. */
  const whole = ref(false)
  const failure = ref('')
  /** Where pictures of the footage are to be had; empty before it was opened. */
  const base_url = ref('')
  let opened = ''
  let abort: AbortController | null = null

  const share = computed(() =>
    done_us.value === null ? 0 : Math.min(1, Math.max(0, (done_us.value - start_us.value) / Math.max(1, end_us.value - start_us.value))),
  )

  /** Pictures of this camera and time; the reason is asked for once for them and the search. */
  async function openPictures(): Promise<void> {
    const key = `${cameraId.value} ${start_us.value} ${end_us.value}`
    if (opened === key && base_url.value !== '') return
    base_url.value = ''
    if (purpose.given !== null) playback.say(purpose.given)
    const range = { start_us: start_us.value - ROOM_US, end_us: end_us.value + ROOM_US }
    const session = await openSession({ camera_ids: [cameraId.value], ...range }, false, playback)
    if (playback.given !== null) purpose.say(playback.given)
    opened = key
    base_url.value = session.base_urls.get(cameraId.value) ?? ''
  }

  async function run(): Promise<void> {
    if (points.value === null || cameraId.value === '') return
    stop()
    const own = new AbortController()
    abort = own
    moments.value = []
    gaps.value = []
    waiting.value = false
    done_us.value = start_us.value
    whole.value = false
    failure.value = ''
    running.value = true
    const gathered = new Gathered<ChangeLine>((lines) => {
      const found: Moment[] = []
      const missing: ChangeGap[] = []
      for (const line of lines) {
        waiting.value = line.type === 'waiting'
        if (line.type === 'progress') done_us.value = Math.max(done_us.value ?? 0, line.done_us)
        else if (line.type === 'gap') missing.push(line)
        else if (line.type === 'moment') found.push(line)
        else if (line.type === 'error') failure.value = lineText(line)
        else if (line.type === 'end') whole.value = true
      }
      if (missing.length > 0) gaps.value = [...gaps.value, ...missing]
      if (found.length > 0) moments.value = [...moments.value, ...found]
    })
    const body = { camera_id: cameraId.value, start_us: Math.round(start_us.value), end_us: Math.round(end_us.value), points: points.value }
    try {
      await purpose.open((given) => api.change(body, given, (line) => abort === own && gathered.add(line), own.signal))
      gathered.flush()
      if (abort === own) await openPictures()
    } catch (error) {
      gathered.flush()
      if (abort === own && !isAbort(error)) failure.value = errorText(error)
    } finally {
      gathered.drop()
      if (abort === own) running.value = false
    }
  }

  function stop(): void {
    abort?.abort()
    abort = null
    running.value = false
  }

  /** Of another camera or time nothing is known yet. */
  function forgetMoments(): void {
    stop()
    moments.value = []
    gaps.value = []
    done_us.value = null
    whole.value = false
    failure.value = ''
  }

  function forget(): void {
    forgetMoments()
    purpose.forget()
    playback.forget()
    cameraId.value = ''
    points.value = null
    base_url.value = ''
    opened = ''
  }

  const session = useSession()
  watch([() => session.current?.user.id, () => session.takeovers], ([now], [before]) => {
    if (before !== undefined || now === undefined) forget()
  })

  return { purpose, cameraId, start_us, end_us, hours, points, moments, gaps, waiting, running, done_us, whole, failure, base_url, share, openPictures, run, stop, forgetMoments, forget }
})
