/** Sends a file and tells how far it has come: what `fetch` cannot. */
import { onceSignedIn } from '@/api/client'
import { errorOf } from '@/api/errors'

/** `progress` is told a share of 0 to 1. @throws ApiError; DOMException AbortError once given up */
export async function upload<Answer>(url: string, file: Blob, progress: (share: number) => void, signal: AbortSignal): Promise<Answer> {
  const response = await onceSignedIn(() => sent(url, file, progress, signal))
  if (!response.ok) throw await errorOf(response)
  return (await response.json()) as Answer
}

function sent(url: string, file: Blob, progress: (share: number) => void, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const giveUp = (): void => request.abort()
    request.open('POST', url)
    request.setRequestHeader('Accept', 'application/json')
    request.setRequestHeader('Content-Type', 'application/octet-stream')
    request.setRequestHeader('X-Gridsight', '1')
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0)
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }))
    request.onerror = () => reject(new TypeError('the gateway cannot be reached'))
    request.onabort = () => reject(new DOMException('given up', 'AbortError'))
    request.onloadend = () => signal.removeEventListener('abort', giveUp)
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    else request.send(file)
  })
}
