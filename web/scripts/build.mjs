/**
 * Builds the console aside and then puts it in place, so that a gateway that runs meanwhile never
 * serves half of it: new parts first, then the page that names them, then the old parts go.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

import { checkOldBrowsers } from './check-old-browsers.mjs'
import { compress } from './compress.mjs'

const web = fileURLToPath(new URL('..', import.meta.url))
const installed = join(web, '../gateway/console')

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
}

function install(from) {
  const files = filesBelow(from)
  const isPart = (file) => file.startsWith('assets')
  for (const file of [...files.filter(isPart), ...files.filter((file) => !isPart(file))]) {
    const to = join(installed, file)
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(join(from, file), `${to}.new`)
    renameSync(`${to}.new`, to)
  }
  const current = new Set(files)
  for (const file of filesBelow(installed)) {
    if (!current.has(file)) rmSync(join(installed, file), { force: true })
  }
}

mkdirSync(join(web, 'dist'), { recursive: true })
const aside = mkdtempSync(join(web, 'dist/console-'))
try {
  await build({ root: web, build: { outDir: aside } })
  if (!checkOldBrowsers(join(aside, 'assets'))) process.exitCode = 1
  else {
    compress(aside)
    install(aside)
    console.info(`installed in ${relative(web, installed)}: ${statSync(join(installed, 'index.html')).size} bytes of page`)
  }
} finally {
  rmSync(aside, { recursive: true, force: true })
}
