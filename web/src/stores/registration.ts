/** The registration that is under way: kept over other pages and a reload, passwords in memory alone. */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { cameras as camerasApi } from '@/api'
import { ApiError, isAbort } from '@/api/errors'
import { platforms as api, type Platform, type ProbeLine } from '@/api/platforms'
import { errorText, lineText } from '@/errors'
import { translate } from '@/locales'
import { faultText } from '@/platforms/words'
import { cameraName, keyOf, kept, targetOf, untried, withAnswer, withFound, type DeviceRow } from '@/wizard/rows'

const STORED = 'gridsight.registration'
const LOOKS_ABREAST = 4
const TARGETS_AT_ONCE = 1000
const CHANNELS_WITHIN_MS = 30_000
const LOOK_AGAIN_MS = 700

export interface Account {
  username: string
  password: string
}

function stored(): DeviceRow[] {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? '[]') as DeviceRow[]
  } catch {
    return []
  }
}

export const useRegistration = defineStore('registration', () => {
  const rows = ref<DeviceRow[]>(stored())
  const search = ref<{ running: boolean; probed: number; total: number; failure: string; done: boolean }>({
    running: false, probed: 0, total: 0, failure: '', done: false,
  })
  const testing = ref(false)
  const making = ref(false)
  /** Why a test of many went no further. */
  const stopped = ref('')
  const platforms = ref<Platform[]>([])
  /** By row: what was accepted there. */
  const accounts = new Map<string, Account>()
  let abort: AbortController | null = null
  let testAbort: AbortController | null = null

  watch(
    rows,
    (now) => {
      try {
        sessionStorage.setItem(STORED, JSON.stringify(kept(now)))
      } catch {
        // Without storage a reload begins anew.
      }
    },
    { deep: true },
  )

  const chosen = computed(() => rows.value.filter((row) => row.chosen))
  const ready = computed(() => chosen.value.filter((row) => row.test === 'ok'))

  function change(key: string, by: Partial<DeviceRow>): void {
    rows.value = rows.value.map((row) => (row.key === key ? { ...row, ...by } : row))
  }

  const rowAt = (key: string): DeviceRow | undefined => rows.value.find((row) => row.key === key)

  // ---- searching ---------------------------------------------------------------------------

  async function discover(body: Parameters<typeof api.discover>[0]): Promise<void> {
    abort?.abort()
    const own = new AbortController()
    abort = own
    search.value = { running: true, probed: 0, total: 0, failure: '', done: false }
    try {
      await api.discover(
        body,
        (line) => {
          if (abort !== own) return
          if (line.type === 'found') rows.value = withFound(rows.value, line)
          else if (line.type === 'progress') Object.assign(search.value, { probed: line.probed, total: line.total })
          else if (line.type === 'end') search.value.done = true
          else search.value.failure = errorText(new ApiError(line.code, line.message, 409))
        },
        own.signal,
      )
    } catch (error) {
      if (abort === own && !isAbort(error)) search.value.failure = errorText(error)
    } finally {
      if (abort === own) search.value.running = false
    }
  }

  function cancelSearch(): void {
    abort?.abort()
  }

  function addByHand(host: string, port: number): void {
    rows.value = withFound(rows.value, { host, port, name: '', hardware: '', known: null })
    change(`${host}:${port}`, { chosen: true })
  }

  // ---- testing -----------------------------------------------------------------------------

  /** Whether pictures really come: the device's word alone is none. */
  async function lookAt(key: string, main_url: string, account: Account): Promise<void> {
    try {
      const seen = await camerasApi.test({ main_url, ...account })
      if (seen.ok && seen.video != null) change(key, { picture: seen.video })
      else change(key, { problem: translate('wizard.noPicture', { why: faultText({ fault: seen.code, detail: seen.line }) }) })
    } catch (error) {
      change(key, { problem: translate('wizard.noPicture', { why: errorText(error) }) })
    }
  }

  /** The gateway tries one device first, and stops where the account is refused. */
  async function test(account: Account): Promise<void> {
    if (testing.value) return
    testing.value = true
    stopped.value = ''
    const own = (testAbort = new AbortController())
    const targets = chosen.value.filter((row) => row.test !== 'ok')
    rows.value = rows.value.map((row) => (targets.includes(row) ? { ...row, test: 'waiting', problem: '' } : row))
    const looks = Array.from({ length: LOOKS_ABREAST }, () => Promise.resolve())
    let looked = 0
    let left = 0

    function answered(line: ProbeLine): void {
      if (own.signal.aborted) return
      if (line.type === 'stopped') left = line.left
      else if (line.type === 'error') stopped.value = lineText(line)
      else {
        const key = keyOf(line.host, line.port)
        const row = rowAt(key)
        if (row === undefined) return
        change(key, withAnswer(row, line, (code, message) => errorText(new ApiError(code, message, 409))))
        if (line.type === 'refused') return
        accounts.set(key, account)
        const main = line.channels.find(({ kind, facts }) => kind === 'camera' && typeof facts['main_url'] === 'string')
        if (main === undefined) return
        const lane = looked++ % LOOKS_ABREAST
        looks[lane] = (looks[lane] ?? Promise.resolve()).then(() => lookAt(key, String(main.facts['main_url']), account))
      }
    }

    try {
      for (let at = 0; at < targets.length && left === 0 && stopped.value === ''; at += TARGETS_AT_ONCE) {
        const some = targets.slice(at, at + TARGETS_AT_ONCE)
        await api.probeMany({ kind: 'onvif', targets: some.map(targetOf), ...account }, answered, own.signal)
        if (left > 0) left += targets.length - at - some.length
      }
      if (left > 0) stopped.value = translate('wizard.stopped', { count: left })
    } catch (error) {
      if (!isAbort(error)) stopped.value = errorText(error)
    } finally {
      rows.value = rows.value.map(untried)
      await Promise.all(looks)
      testing.value = false
    }
    await loadPlatforms()
  }

  /** To know a device again that is here under another address. */
  async function loadPlatforms(): Promise<void> {
    const all: Platform[] = []
    let cursor: string | number | undefined
    try {
      do {
        const page = await api.list({ kind: 'onvif', direction: 'below', limit: 500, cursor })
        all.push(...page.items)
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined)
      platforms.value = all
    } catch {
      // It is a help only.
    }
  }

  // ---- making ------------------------------------------------------------------------------

  async function channelsThere(platformId: string): Promise<void> {
    const until_ms = Date.now() + CHANNELS_WITHIN_MS
    for (;;) {
      const { state, channels } = await api.read(platformId)
      if (channels.total > 0 && (state.catalog.state === 'complete' || state.catalog.state === 'partial')) return
      if (state.state === 'refused' || Date.now() > until_ms) {
        throw new ApiError('no_channels', faultText(state) || translate('wizard.noChannels'), 409)
      }
      await new Promise((resolve) => window.setTimeout(resolve, LOOK_AGAIN_MS))
    }
  }

  async function makeOne(key: string, record: 'continuous' | 'off'): Promise<void> {
    const row = rowAt(key)
    if (row === undefined || row.make === 'done') return
    const wanted = row.cameras.filter((camera) => camera.chosen)
    change(key, { make: 'making', problem: '' })
    try {
      let { platform_id } = row
      if (platform_id === null) {
        const account = accounts.get(key)
        if (account === undefined) throw new ApiError('password_gone', translate('wizard.passwordGone'), 409)
        const { name, area_id } = row
        const { service_path = null, ...where } = targetOf(row)
        const form = { kind: 'onvif', direction: 'below', name: name.trim(), area_id, ...where, ...account, enabled: true, options: { service_path } } as const
        platform_id = (await api.create(form)).id
        change(key, { platform_id })
      }
      if (wanted.length > 0) {
        await channelsThere(platform_id)
        const channels = wanted.map((camera) => ({ code: camera.code, name: cameraName(row, camera) }))
        const { cameras } = await api.makeCameras(platform_id, { area_id: row.area_id, record, channels })
        change(key, { camera_ids: cameras.map(({ id }) => id) })
      }
      change(key, { make: 'done' })
    } catch (error) {
      const own = error instanceof ApiError && (error.code === 'no_channels' || error.code === 'password_gone')
      const fields = error instanceof ApiError ? Object.values(error.fields).join(' ') : ''
      change(key, { make: 'failed', problem: own ? error.message : [errorText(error), fields].filter(Boolean).join(' ') })
    }
  }

  /** One after the other: what is done stays done, the rest can be tried again. */
  async function make(record: 'continuous' | 'off'): Promise<void> {
    if (making.value) return
    making.value = true
    try {
      for (const { key } of ready.value) await makeOne(key, record)
    } finally {
      making.value = false
    }
  }

  function forget(): void {
    abort?.abort()
    testAbort?.abort()
    rows.value = []
    accounts.clear()
    stopped.value = ''
    search.value = { running: false, probed: 0, total: 0, failure: '', done: false }
  }

  return { rows, search, testing, making, stopped, platforms, chosen, ready, change, discover, cancelSearch, addByHand, test, make, forget }
})
