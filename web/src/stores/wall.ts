/** The wall of one screen: which camera is in which tile, and how it is remembered. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { layouts as layoutsApi, tours as toursApi, walls } from '@/api'
import type { Grid, Layout, Quality, Tour } from '@/api/types'
import { fitted, readLayout, readScreen, regrid, swapped, type ScreenDocument, type Tiles } from '@/wall/document'
import { neighbour, tileCount, type Direction } from '@/wall/grids'
import { advance, startOfTour, stepBy, type TourClock } from '@/wall/tour'

import { useSession } from './session'

const SAVE_AFTER_MS = 600
const TOUR_TICK_MS = 250

export const useWall = defineStore('wall', () => {
  const screen = ref('1')
  const grid = ref<Grid>('2x2')
  const tiles = ref<Tiles>(fitted([], '2x2'))
  const focused = ref(0)
  const maximised = ref<number | null>(null)
  const soundOn = ref<number | null>(null)
  const layoutId = ref<string | null>(null)
  const loaded = ref(false)
  const layouts = shallowRef<Layout[]>([])
  const tours = shallowRef<Tour[]>([])
  const tour = shallowRef<Tour | null>(null)
  const tourClock = ref<TourClock>(startOfTour())
  let saveTimer = 0
  let tourTimer = 0

  const cameraIds = computed(() => tiles.value.flatMap((tile) => (tile === null ? [] : [tile.camera_id])))
  const isEmpty = computed(() => cameraIds.value.length === 0)

  // ---- remembering -------------------------------------------------------------------------

  function document(): ScreenDocument {
    return {
      grid: grid.value,
      tiles: tiles.value,
      maximised: maximised.value,
      layout_id: layoutId.value,
      tour_id: tour.value?.id ?? null,
    }
  }

  function save(): void {
    if (!loaded.value) return
    window.clearTimeout(saveTimer)
    // As it is now: when the page is left meanwhile, the tour still ran.
    const [name, shown] = [screen.value, document()]
    saveTimer = window.setTimeout(() => {
      // A gateway that is away is no reason to trouble the operator; the next change saves again.
      walls.write(name, shown).catch(() => undefined)
    }, SAVE_AFTER_MS)
  }

  /** What this screen showed last, with the tour that ran. @throws ApiError */
  async function restore(name: string): Promise<void> {
    screen.value = name
    loaded.value = false
    const [read, allLayouts, allTours] = await Promise.all([walls.read(name), layoutsApi.list(), toursApi.list()])
    // All at once: a tour that can be started is not undone by what the screen showed last.
    layouts.value = allLayouts.items
    tours.value = allTours.items
    const stored = readScreen(read.document)
    if (stored !== null) {
      grid.value = stored.grid
      tiles.value = stored.tiles
      maximised.value = stored.maximised
      layoutId.value = stored.layout_id
      const running = tours.value.find(({ id }) => id === stored.tour_id)
      if (running !== undefined) startTour(running)
    }
    loaded.value = true
  }

  async function loadLayouts(): Promise<void> {
    layouts.value = (await layoutsApi.list()).items
  }

  async function loadTours(): Promise<void> {
    tours.value = (await toursApi.list()).items
  }

  // ---- arranging ---------------------------------------------------------------------------

  function changed(): void {
    layoutId.value = null
    save()
  }

  function put(index: number, camera_id: string, quality: Quality = 'auto'): void {
    if (index < 0 || index >= tiles.value.length) return
    const next = tiles.value.slice()
    next[index] = { camera_id, quality }
    tiles.value = next
    focused.value = index
    changed()
  }

  /** Into the focused tile if free, else the next free one, else the focused one. */
  function putNext(camera_id: string): number {
    const size = tiles.value.length
    let index = focused.value
    for (let step = 0; step < size; step += 1) {
      const candidate = (focused.value + step) % size
      if (tiles.value[candidate] === null) {
        index = candidate
        break
      }
    }
    put(index, camera_id)
    return index
  }

  function putMany(camera_ids: readonly string[]): void {
    if (camera_ids.length > tiles.value.length) {
      const fitting = (['2x2', '3x3', '4x4', '5x5'] as const).find((name) => tileCount(name) >= camera_ids.length)
      grid.value = fitting ?? '5x5'
    }
    maximised.value = null
    tiles.value = fitted(
      camera_ids.map((camera_id) => ({ camera_id, quality: 'auto' as const })),
      grid.value,
    )
    changed()
  }

  function move(from: number, to: number): void {
    if (from === to) return
    if (soundOn.value === from) soundOn.value = to
    else if (soundOn.value === to) soundOn.value = from
    tiles.value = swapped(tiles.value, from, to)
    focused.value = to
    changed()
  }

  function clear(index: number): void {
    if (tiles.value[index] == null) return
    const next = tiles.value.slice()
    next[index] = null
    tiles.value = next
    if (maximised.value === index) maximised.value = null
    if (soundOn.value === index) soundOn.value = null
    changed()
  }

  function clearAll(): void {
    stopTour()
    tiles.value = fitted([], grid.value)
    maximised.value = null
    soundOn.value = null
    changed()
  }

  function setQuality(index: number, quality: Quality): void {
    const tile = tiles.value[index]
    if (tile != null) put(index, tile.camera_id, quality)
  }

  /** Returns how many cameras found no place. */
  function setGrid(next: Grid): number {
    const moved = regrid(tiles.value, next)
    grid.value = next
    tiles.value = moved.tiles
    maximised.value = null
    soundOn.value = null
    focused.value = Math.min(focused.value, tiles.value.length - 1)
    changed()
    return moved.left_over
  }

  function toggleMaximised(index: number): void {
    maximised.value = maximised.value === index || tiles.value[index] == null ? null : index
    focused.value = index
    save()
  }

  function toggleSound(index: number): void {
    soundOn.value = soundOn.value === index ? null : index
  }

  function walk(direction: Direction): void {
    focused.value = neighbour(grid.value, focused.value, direction)
    if (maximised.value !== null && tiles.value[focused.value] != null) maximised.value = focused.value
  }

  // ---- layouts -----------------------------------------------------------------------------

  function show(layout: Layout): boolean {
    const read = readLayout(layout.document)
    if (read === null) return false
    grid.value = read.grid
    tiles.value = read.tiles
    maximised.value = null
    soundOn.value = null
    focused.value = Math.min(focused.value, tiles.value.length - 1)
    layoutId.value = layout.id
    save()
    return true
  }

  async function saveLayout(name: string, shared: boolean, id: string | null): Promise<Layout> {
    const body = { name, shared, document: { grid: grid.value, tiles: tiles.value } }
    const saved = id === null ? await layoutsApi.create(body) : await layoutsApi.update(id, body)
    await loadLayouts()
    layoutId.value = saved.id
    save()
    return saved
  }

  async function removeLayout(id: string): Promise<void> {
    await layoutsApi.remove(id)
    if (layoutId.value === id) layoutId.value = null
    await loadLayouts()
  }

  // ---- tours -------------------------------------------------------------------------------

  function showStep(): void {
    const id = tour.value?.document.steps[tourClock.value.step]?.layout_id
    const layout = layouts.value.find((candidate) => candidate.id === id)
    if (layout !== undefined) show(layout)
  }

  function startTour(started: Tour): void {
    window.clearInterval(tourTimer)
    tour.value = started
    tourClock.value = startOfTour()
    showStep()
    save()
    let before_ms = performance.now()
    tourTimer = window.setInterval(() => {
      const now_ms = performance.now()
      const clock = advance(tourClock.value, now_ms - before_ms, started.document.steps.length, started.document.dwell_s)
      before_ms = now_ms
      const stepped = clock.step !== tourClock.value.step
      tourClock.value = clock
      if (stepped) showStep()
    }, TOUR_TICK_MS)
  }

  function stopTour(): void {
    window.clearInterval(tourTimer)
    if (tour.value === null) return
    tour.value = null
    save()
  }

  function pauseTour(): void {
    tourClock.value = { ...tourClock.value, paused: !tourClock.value.paused }
  }

  function stepTour(by: 1 | -1): void {
    if (tour.value === null) return
    tourClock.value = stepBy(tourClock.value, by, tour.value.document.steps.length)
    showStep()
  }

  async function saveTour(body: Pick<Tour, 'name' | 'shared' | 'document'>, id: string | null): Promise<void> {
    if (id === null) await toursApi.create(body)
    else await toursApi.update(id, body)
    await loadTours()
  }

  async function removeTour(id: string): Promise<void> {
    if (tour.value?.id === id) stopTour()
    await toursApi.remove(id)
    await loadTours()
  }

  /** The page is left: the tour's clock stops, but the screen still remembers that it ran. */
  function leave(): void {
    window.clearInterval(tourTimer)
    tour.value = null
  }

  // Another person took the duty desk over: their layouts, and no tour that is not theirs.
  const session = useSession()
  watch(
    () => session.takeovers,
    async () => {
      await Promise.all([loadLayouts(), loadTours()]).catch(() => undefined)
      if (tour.value !== null && !tours.value.some(({ id }) => id === tour.value?.id)) stopTour()
    },
  )

  return {
    screen, grid, tiles, focused, maximised, soundOn, layoutId, loaded, layouts, tours, tour, tourClock,
    cameraIds, isEmpty,
    restore, put, putNext, putMany, move, clear, clearAll, setQuality, setGrid, toggleMaximised, toggleSound, walk,
    show, saveLayout, removeLayout, loadLayouts,
    startTour, stopTour, pauseTour, stepTour, saveTour, removeTour, loadTours, leave,
  }
})
