/** The registration that is under way: kept over other pages and a reload, passwords in memory alone. */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { cameras as camerasApi } from '@/api'
import { ApiError, isAbort } from '@/api/errors'
import { platforms as api, type Platform } from '@/api/platforms'
import { errorText } from '@/errors'
import { translate } from '@/locales'
import { faultText } from '@/platforms/words'
import { cameraName, kept, testInTurn, withFound, withProbed, type DeviceRow, type TestOutcome } from '@/wizard/rows'

const STORED = 'gridsight.registration'
const ABREAST = 4
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

  async function testOne(key: string, account: Account): Promise<TestOutcome> {
    const row = rowAt(key)
    if (row === undefined) return 'failed'
    change(key, { test: 'testing', problem: '' })
    try {
      const { facts, channels } = await api.probe({ kind: 'onvif', host: row.host, port: row.port, ...account })
      accounts.set(key, account)
      change(key, withProbed(rowAt(key) ?? row, facts, channels))
      const main = channels.find(({ kind, facts: of }) => kind === 'camera' && typeof of['main_url'] === 'string')
      if (main !== undefined) await lookAt(key, String(main.facts['main_url']), account)
      return 'ok'
    } catch (error) {
      const refused = error instanceof ApiError && error.code === 'refused'
      change(key, { test: refused ? 'refused' : 'failed', problem: errorText(error) })
      return refused ? 'refused' : 'failed'
    }
  }

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

  async function test(account: Account): Promise<void> {
    if (testing.value) return
    testing.value = true
    stopped.value = ''
    const keys = chosen.value.filter((row) => row.test !== 'ok').map(({ key }) => key)
    for (const key of keys) change(key, { test: 'waiting', problem: '' })
    try {
      const left = await testInTurn(keys, (key) => testOne(key, account), ABREAST)
      for (const key of left) change(key, { test: 'untried' })
      if (left.length > 0) stopped.value = translate('wizard.stopped', { count: left.length })
      await loadPlatforms()
    } finally {
      testing.value = false
    }
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
        const { host, port, name, area_id } = row
        const form = { kind: 'onvif', direction: 'below', name: name.trim(), area_id, host, port, ...account, enabled: true, options: {} } as const
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
    rows.value = []
    accounts.clear()
    stopped.value = ''
    search.value = { running: false, probed: 0, total: 0, failure: '', done: false }
  }

  return { rows, search, testing, making, stopped, platforms, chosen, ready, change, discover, cancelSearch, addByHand, test, make, forget }
})
