/** Areas and cameras of the tree, loaded as they are opened, and the search over names. */
import { computed, reactive, ref, watch } from 'vue'

import { areas as areasApi, cameras as camerasApi } from '@/api'
import { isAbort } from '@/api/errors'
import type { Camera } from '@/api/types'
import { errorText } from '@/errors'
import { useCameras } from '@/stores/cameras'

import { branchOf, rowsOf, type Branch, type Row } from './rows'

const PAGE = 100
const FEW_AREAS = 8
const FEW_CAMERAS = 40
const SEARCH_AFTER_MS = 250

export function useTree() {
  const cameras = useCameras()
  const roots = ref<Branch[]>([])
  const loading = ref(true)
  const error = ref<string | null>(null)
  const query = ref('')
  const found = ref<Camera[]>([])
  const foundTotal = ref(0)
  const foundCursor = ref<string | number | null>(null)
  const searching = ref(false)
  let searchTimer = 0
  let searchAbort: AbortController | null = null

  const isSearch = computed(() => query.value.trim() !== '')

  const rows = computed<Row[]>(() => {
    if (!isSearch.value) return rowsOf(roots.value)
    const matches: Row[] = found.value.map((camera) => ({
      kind: 'camera',
      key: `camera ${camera.id}`,
      depth: 0,
      camera: cameras.byId.get(camera.id) ?? camera,
      branch: null,
    }))
    if (foundCursor.value !== null) matches.push({ kind: 'more', key: 'more', depth: 0, branch: null })
    return matches
  })

  async function load(): Promise<void> {
    loading.value = true
    error.value = null
    try {
      const { items } = await areasApi.children()
      roots.value = items.map((area) => reactive(branchOf(area)))
      await openFew(roots.value)
    } catch (failure) {
      error.value = errorText(failure)
    } finally {
      loading.value = false
    }
  }

  /** A lone area (the county) is opened for the user, and so is all that fits on a screen. */
  async function openFew(branches: readonly Branch[]): Promise<void> {
    const cameraCount = branches.reduce((sum, branch) => sum + branch.area.camera_count, 0)
    if (branches.length > 1 && (branches.length > FEW_AREAS || cameraCount > FEW_CAMERAS)) return
    await Promise.all(branches.map(open))
    await Promise.all(branches.map((branch) => openFew(branch.children)))
  }

  async function open(branch: Branch): Promise<void> {
    branch.open = true
    if (branch.loaded || branch.loading) return
    branch.loading = true
    branch.error = null
    try {
      const [children, page] = await Promise.all([
        branch.area.child_count > 0 ? areasApi.children(branch.area.id) : Promise.resolve({ items: [] }),
        camerasApi.list({ area_id: branch.area.id, deep: false, limit: PAGE }),
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
      const page = await camerasApi.list(
        { query: text, limit: PAGE, ...(cursor === null ? {} : { cursor }) },
        abort.signal,
      )
      cameras.keep(page.items)
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

  return { rows, roots, loading, error, query, isSearch, searching, foundTotal, load, open, close, more, camerasOf }
}
