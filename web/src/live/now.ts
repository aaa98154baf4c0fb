/** The time in milliseconds, once a second, by one timer for however many tiles show it. */
import { onBeforeUnmount, onMounted, readonly, ref, type Ref } from 'vue'

const now_ms = ref(Date.now())
let users = 0
let timer = 0

export function useNow(): Readonly<Ref<number>> {
  onMounted(() => {
    users += 1
    if (users === 1) timer = window.setInterval(() => (now_ms.value = Date.now()), 1000)
    now_ms.value = Date.now()
  })
  onBeforeUnmount(() => {
    users -= 1
    if (users === 0) window.clearInterval(timer)
  })
  return readonly(now_ms)
}
