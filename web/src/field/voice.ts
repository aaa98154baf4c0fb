/** A voice note, as the browser records it: WebM or MP4, at most two minutes. */
import { onBeforeUnmount, ref } from 'vue'

const LONGEST_S = 120

export function useVoice(onNote: (note: Blob) => void, onDenied: () => void) {
  const seconds = ref<number | null>(null)
  const offered = typeof MediaRecorder !== 'undefined' && Boolean(navigator.mediaDevices?.getUserMedia)
  let recorder: MediaRecorder | null = null
  let ticking: ReturnType<typeof setInterval> | undefined

  async function start(): Promise<void> {
    let stream: MediaStream
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
    } catch {
      onDenied()
      return
    }
    const made = new MediaRecorder(stream, { audioBitsPerSecond: 32_000 })
    const parts: Blob[] = []
    made.ondataavailable = (event) => parts.push(event.data)
    made.onstop = () => {
      clearInterval(ticking)
      seconds.value = null
      for (const track of stream.getTracks()) track.stop()
      const note = new Blob(parts, { type: made.mimeType })
      if (note.size > 0) onNote(note)
    }
    made.start()
    recorder = made
    seconds.value = 0
    ticking = setInterval(() => {
      seconds.value = (seconds.value ?? 0) + 1
      if (seconds.value >= LONGEST_S) stop()
    }, 1000)
  }

  function stop(): void {
    if (recorder?.state === 'recording') recorder.stop()
  }

  onBeforeUnmount(stop)
  return { seconds, offered, start, stop }
}
