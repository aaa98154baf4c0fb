/**
 * Areas and cameras along one axis, loaded as they are opened, and the search over names, pinyin,
 * initials and codes.
 */
import { computed, reactive, ref, watch } from 'vue'

import { areas as areasApi, cameras as camerasApi } from '@/api'
import { isAbort } from '@/api/errors'
import { areaSearch, AXES, type FoundArea } from '@/api/people'
import type { Axis, Camera, Page } from '@/api/types'
import { errorText } from '@/errors'
import { useCameras } from '@/stores/cameras'

import { branchOf, rowsOf, type Branch, type Row } from './rows'

const PAGE = 100
const FEW_AREAS = 8
const FEW_CAMERAS = 40
const SEARCH_AFTER_MS = 250
const FOUND_AREAS = 12

/** `withCameras` false: areas alone, for those who keep them in order. */
export function useTree(withCameras = true) {
  const cameras = useCameras()
  const axis = ref<Axis>('area')
  /** The axes that hold something; the first is always offered. */
  const axes = ref<Axis[]>(withCameras ? ['area'] : [...AXES])
  const roots = ref<Branch[]>([])
  const loading = ref(true)
  const error = ref<string | null>(null)
  const query = ref('')
  const foundAreas = ref<FoundArea[]>([])
  const found = ref<Camera[]>([])
  const foundTotal = ref(0)
  const foundCursor = ref<string | number | null>(null)
  const searching = ref(false)
  let searchTimer = 0
  let searchAbort: AbortController | null = null

  const isSearch = computed(() => query.value.trim() !== '')

  const rows = computed<Row[]>(() => {
    if (!isSearch.value) {
      const all = rowsOf(roots.value)
      return withCameras ? all : all.filter((row) => row.kind !== 'note' || row.note !== 'empty')
    }
    const matches: Row[] = foundAreas.value.map((area) => ({ kind: 'found', key: `found ${area.id}`, depth: 0, area }))
    for (const camera of found.value) {
      matches.push({
        kind: 'camera',
        key: `camera ${camera.id}`,
        depth: 0,
        camera: cameras.byId.get(camera.id) ?? camera,
        branch: null,
      })
    }
    if (foundCursor.value !== null) matches.push({ kind: 'more', key: 'more', depth: 0, branch: null })
    return matches
  })

  async function load(): Promise<void> {
    loading.value = true
    error.value = null
    try {
      const own = axis.value
      const { items } = await areasApi.children(undefined, own)
      if (axis.value !== own) return
      roots.value = items.map((area) => reactive(branchOf(area)))
      await openFew(roots.value)
    } catch (failure) {
      error.value = errorText(failure)
    } finally {
      loading.value = false
    }
  }

  /** Which other axes have anything for this person; asked once the tree stands. */
  async function loadAxes(): Promise<void> {
    if (!withCameras) return
    const others = AXES.filter((one) => one !== 'area')
    const pages = await Promise.all(others.map((one) => areasApi.children(undefined, one).catch(() => ({ items: [] }))))
    axes.value = ['area', ...others.filter((_one, index) => (pages[index]?.items.length ?? 0) > 0)]
    if (!axes.value.includes(axis.value)) await showAxis('area')
  }

  /** The tree of another axis, in place of what was found. */
  async function showAxis(next: Axis): Promise<void> {
    query.value = ''
    if (axis.value === next) return
    axis.value = next
    roots.value = []
    await load()
  }

  /** Opens the tree down to an area that the search found; its row's key. */
  async function reveal({ axis: where, ids }: Pick<FoundArea, 'axis' | 'ids'>): Promise<string> {
    await showAxis(where)
    let branches = roots.value
    for (const id of ids.slice(0, -1)) {
      const branch = branches.find(({ area }) => area.id === id)
      if (branch === undefined) break
      await open(branch)
      branches = branch.children
    }
    return `area ${ids[ids.length - 1] ?? ''}`
  }

  /** A lone area (the county) is opened for the user, and so is all that fits on a screen. */
  async function openFew(branches: readonly Branch[]): Promise<void> {
    const cameraCount = branches.reduce((sum, branch) => sum + branch.area.camera_count, 0)
    if (branches.length > 1 && (branches.length > FEW_AREAS || cameraCount > FEW_CAMERAS)) return
    const worth = branches.filter(({ area }) => area.child_count > 0 || (withCameras && area.camera_count > 0))
    await Promise.all(worth.map(open))
    await Promise.all(worth.map((branch) => openFew(branch.children)))
  }

  async function open(branch: Branch): Promise<void> {
    branch.open = true
    if (branch.loaded || branch.loading) return
    branch.loading = true
    branch.error = null
    try {
      const [children, page] = await Promise.all([
        branch.area.child_count > 0 ? areasApi.children(branch.area.id) : Promise.resolve({ items: [] }),
        withCameras
          ? camerasApi.list({ area_id: branch.area.id, deep: false, limit: PAGE })
          : Promise.resolve<Page<Camera>>({ items: [] }),
      ])
      cameras.keep(page.items)
      branch.children = children.items.map((area) => reactive(branchOf(area)))
      branch.cameras = page.items
      branch.next_cursor = page.next_cursor ?? null
      branch.loaded = true
    } catch (failure) {
      branch.error = errorText(failure)
    } finally {
      branch.loading = false
    }
  }

  function close(branch: Branch): void {
    branch.open = false
  }

  async function more(branch: Branch | null): Promise<void> {
    if (branch === null) {
      await search(foundCursor.value)
      return
    }
    if (branch.loading || branch.next_cursor === null) return
    branch.loading = true
    try {
      const page = await camerasApi.list({
        area_id: branch.area.id,
        deep: false,
        limit: PAGE,
        cursor: branch.next_cursor,
      })
      cameras.keep(page.items)
      branch.cameras = [...branch.cameras, ...page.items]
      branch.next_cursor = page.next_cursor ?? null
    } catch (failure) {
      branch.error = errorText(failure)
    } finally {
      branch.loading = false
    }
  }

  async function search(cursor: string | number | null = null): Promise<void> {
    searchAbort?.abort()
    const text = query.value.trim()
    if (text === '') return
    const abort = new AbortController()
    searchAbort = abort
    searching.value = true
    error.value = null
    try {
      const [areas, page] = await Promise.all([
        cursor === null
          ? areaSearch(text, withCameras ? undefined : axis.value, FOUND_AREAS, abort.signal)
          : Promise.resolve(null),
        withCameras
          ? camerasApi.list({ query: text, limit: PAGE, ...(cursor === null ? {} : { cursor }) }, abort.signal)
          : Promise.resolve<Page<Camera>>({ items: [], total: 0 }),
      ])
      cameras.keep(page.items)
      if (areas !== null) foundAreas.value = areas.items
      found.value = cursor === null ? page.items : [...found.value, ...page.items]
      foundTotal.value = page.total ?? found.value.length
      foundCursor.value = page.next_cursor ?? null
    } catch (failure) {
      if (!isAbort(failure)) error.value = errorText(failure)
    } finally {
      if (searchAbort === abort) searching.value = false
    }
  }

  watch(query, () => {
    window.clearTimeout(searchTimer)
    if (isSearch.value) {
      searching.value = true
      searchTimer = window.setTimeout(() => void search(), SEARCH_AFTER_MS)
    } else {
      searchAbort?.abort()
      found.value = []
      foundAreas.value = []
      foundCursor.value = null
      searching.value = false
      error.value = null
    }
  })

  /** The first cameras of a whole subtree, for "the area on the wall". */
  async function camerasOf(branch: Branch, most: number): Promise<Camera[]> {
    const page = await camerasApi.list({ area_id: branch.area.id, limit: most })
    cameras.keep(page.items)
    return page.items
  }

  return {
    axis, axes, rows, roots, loading, error, query, isSearch, searching, foundTotal, load, loadAxes, showAxis, reveal, open, close, more,
    camerasOf,
  }
}
