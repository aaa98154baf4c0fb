/** An answer that comes as lines of JSON, one by one. */
import { onceSignedIn } from './client'
import { errorOf } from './errors'

/** Cuts what arrives into whole lines, wherever it is broken. */
export class LineSplitter {
  private rest = ''

  /** The lines that are now whole, without empty ones. */
  add(text: string): string[] {
    const parts = (this.rest + text).split('\n')
    this.rest = parts.pop() ?? ''
    return parts.filter((line) => line.trim() !== '')
  }

  /** What stood after the last line break. */
  end(): string[] {
    const last = this.rest
    this.rest = ''
    return last.trim() === '' ? [] : [last]
  }
}

/** Gives each line as it comes; aborting `signal` ends it on the other side too. @throws ApiError */
export async function postLines<Line>(path: string, body: unknown, onLine: (line: Line) => void, signal: AbortSignal): Promise<void> {
  const response = await onceSignedIn(() =>
    fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/x-ndjson', 'X-Gridsight': '1' },
      body: JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    }),
  )
  if (!response.ok || response.body === null) throw await errorOf(response)
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  const splitter = new LineSplitter()
  const give = (line: string): void => onLine(JSON.parse(line) as Line)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    splitter.add(decoder.decode(value, { stream: true })).forEach(give)
  }
  splitter.add(decoder.decode())
  splitter.end().forEach(give)
}
