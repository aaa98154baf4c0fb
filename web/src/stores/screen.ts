/** How much of the console is shown around the page, and full screen. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

export const useScreen = defineStore('screen', () => {
  /** Only the wall, no bar and no list. */
  const bare = ref(false)
  const fullScreen = ref(document.fullscreenElement !== null)
  const helpOpen = ref(false)

  document.addEventListener('fullscreenchange', () => {
    fullScreen.value = document.fullscreenElement !== null
    if (!fullScreen.value) bare.value = false
  })

  async function toggleFullScreen(): Promise<void> {
    if (document.fullscreenElement !== null) await document.exitFullscreen()
    // Refused where a policy forbids it; then the page stays as it is.
    else await document.documentElement.requestFullscreen().catch(() => undefined)
  }

  function toggleBare(): void {
    bare.value = !bare.value
  }

  return { bare, fullScreen, helpOpen, toggleFullScreen, toggleBare }
})
