/**
 * What is drawn on the picture of one camera and kept as a whole, in versions: it is read, changed
 * here, and sent back; nobody leaves it unsaved without being asked.
 */
import { computed, onMounted, ref, shallowRef, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave, useRoute } from 'vue-router'

import { cameras } from '@/api'
import { ApiError } from '@/api/errors'
import type { Camera } from '@/api/types'
import { errorText } from '@/errors'
import { tell } from '@/notices'
import { confirmed } from '@/shell/confirm'

interface Kind<Kept, Shape> {
  /** Whose words are used: `zones.saved`, `masks.conflict`… */
  words: 'zones' | 'masks'
  read(cameraId: string): Promise<Kept>
  write(cameraId: string, version: number, shapes: Shape[]): Promise<Kept>
  shapesOf(kept: Kept): Shape[]
  /** As they are sent: what does not change that is no change. */
  sent(shapes: readonly Shape[]): Shape[]
  /** The shapes are those that are kept: read, saved, or put back. */
  taken(shapes: readonly Shape[]): void
  /** Why they cannot be sent; empty where they can. */
  wrong?(shapes: readonly Shape[]): string
}

/** All but the shapes themselves: what DrawnPage shows. */
export interface DrawnState {
  camera: Ref<Camera | null>
  failure: Ref<string>
  problem: Ref<string>
  busy: Ref<boolean>
  changed: Ref<boolean>
  mayChange: Ref<boolean>
  load(): Promise<void>
  save(): Promise<void>
  undo(): void
  /** The picture as it is now. */
  takePicture(): void
}

export interface Drawn<Kept, Shape> extends DrawnState {
  cameraId: Ref<string>
  picture: Ref<string>
  kept: Ref<Kept | null>
  shapes: Ref<Shape[]>
}

export function useDrawn<Kept extends { version: number }, Shape>(kind: Kind<Kept, Shape>): Drawn<Kept, Shape> {
  const { t } = useI18n()
  const route = useRoute()
  const cameraId = computed(() => String(route.params['id']))
  const camera = ref<Camera | null>(null)
  const kept: Ref<Kept | null> = shallowRef(null)
  const shapes: Ref<Shape[]> = shallowRef([])
  const pictures = ref(0)
  const busy = ref(false)
  const failure = ref('')
  const problem = ref('')

  const mayChange = computed(() => camera.value?.rights.includes('configure') === true)
  const asSent = (of: readonly Shape[]): string => JSON.stringify(kind.sent(of))
  const changed = computed(() => asSent(shapes.value) !== asSent(kept.value === null ? [] : kind.shapesOf(kept.value)))
  const picture = computed(() => `${cameras.snapshotUrl(cameraId.value, 1280)}&taken=${pictures.value}`)

  function take(next: Kept): void {
    kept.value = next
    shapes.value = kind.shapesOf(next)
    kind.taken(shapes.value)
  }

  async function load(): Promise<void> {
    failure.value = ''
    try {
      const [found, read] = await Promise.all([cameras.read(cameraId.value), kind.read(cameraId.value)])
      camera.value = found
      take(read)
    } catch (error) {
      failure.value = errorText(error)
    }
  }
  onMounted(load)

  async function save(): Promise<void> {
    if (busy.value || kept.value === null) return
    problem.value = kind.wrong?.(shapes.value) ?? ''
    if (problem.value !== '') return
    busy.value = true
    try {
      take(await kind.write(cameraId.value, kept.value.version, kind.sent(shapes.value)))
      tell(t(`${kind.words}.saved`))
    } catch (error) {
      problem.value = error instanceof ApiError && error.code === 'conflict' ? t(`${kind.words}.conflict`) : errorText(error)
    } finally {
      busy.value = false
    }
  }

  function undo(): void {
    if (kept.value !== null) take(kept.value)
  }

  function takePicture(): void {
    pictures.value += 1
  }

  onBeforeRouteLeave(async () => !changed.value || (await confirmed({ text: t(`${kind.words}.leave`), act: t(`${kind.words}.discard`) })))

  return { cameraId, camera, picture, kept, shapes, failure, problem, busy, changed, mayChange, load, save, undo, takePicture }
}
