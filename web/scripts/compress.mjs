/** Compresses the built files once, so that the gateway never has to. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const LEAST_BYTES = 1024

export function compress(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const data = readFileSync(path)
    if (data.length < LEAST_BYTES) continue
    writeFileSync(`${path}.br`, brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }))
    writeFileSync(`${path}.gz`, gzipSync(data, { level: 9 }))
  }
}
