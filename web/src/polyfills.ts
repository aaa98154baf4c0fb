/**
 * What Chromium 86 lacks of what the console and its libraries call.
 *
 * Syntax is lowered by the build (target chrome86); these are the missing functions.
 */

function define(target: object, name: string, value: unknown): void {
  if (!(name in target)) {
    Object.defineProperty(target, name, { value, writable: true, configurable: true })
  }
}

function at(this: ArrayLike<unknown>, index: number): unknown {
  const whole = Math.trunc(index) || 0
  return this[whole < 0 ? this.length + whole : whole]
}

for (const prototype of [Array.prototype, String.prototype, Object.getPrototypeOf(Uint8Array.prototype)]) {
  define(prototype as object, 'at', at) // Chromium 92
}

define(Array.prototype, 'findLastIndex', function (this: unknown[], test: (value: unknown, index: number, all: unknown[]) => boolean): number {
  for (let index = this.length - 1; index >= 0; index -= 1) {
    if (test(this[index], index, this)) return index
  }
  return -1
}) // Chromium 97

define(Array.prototype, 'findLast', function (this: unknown[], test: (value: unknown, index: number, all: unknown[]) => boolean): unknown {
  for (let index = this.length - 1; index >= 0; index -= 1) {
    if (test(this[index], index, this)) return this[index]
  }
  return undefined
}) // Chromium 97

define(Object, 'hasOwn', (target: object, key: PropertyKey) =>
  Object.prototype.hasOwnProperty.call(target, key),
) // Chromium 93

if (typeof structuredClone !== 'function') {
  // Chromium 98. The console clones plain documents only (layouts, filters).
  define(globalThis, 'structuredClone', <T>(value: T): T =>
    value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T),
  )
}

define(AbortSignal, 'timeout', (milliseconds: number): AbortSignal => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(new DOMException('timed out', 'TimeoutError')), milliseconds)
  return controller.signal
}) // Chromium 103

if (typeof crypto !== 'undefined') {
  // Chromium 92, and only in secure contexts: a county's console is often plain http on a LAN.
  define(crypto, 'randomUUID', (): string => {
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  })
}

export {}
