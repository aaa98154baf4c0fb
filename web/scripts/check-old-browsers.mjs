/**
 * Fails the build where its output needs more than Chromium 86.
 *
 * Syntax is lowered by the build itself; this looks for what lowering cannot give: CSS features
 * that an old browser drops silently, and functions that src/polyfills.ts does not supply.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const CSS = [
  [/:has\(/, ':has() needs Chromium 105'],
  [/:is\(|:where\(/, ':is() and :where() need Chromium 88'],
  [/[;{]\s*inset\s*:/, 'inset needs Chromium 87'],
  [/[;{]\s*aspect-ratio\s*:/, 'aspect-ratio needs Chromium 88'],
  [/oklch\(|oklab\(|color-mix\(/, 'oklch() and color-mix() need Chromium 111'],
  [/@container|[;{]\s*container(-type|-name)?\s*:/, 'container queries need Chromium 105'],
  [/@layer/, '@layer needs Chromium 99'],
  [/\d(dvh|svh|lvh|dvw|svw|lvw|cqw|cqh)\b/, 'dynamic viewport units need Chromium 108'],
  [/[;{]\s*(scale|rotate|translate)\s*:/, 'individual transforms need Chromium 104'],
  [/[;{]\s*accent-color\s*:/, 'accent-color needs Chromium 93'],
  [/overflow(-x|-y)?\s*:\s*clip/, 'overflow: clip needs Chromium 90'],
  [/@media[^{]*\(\s*(width|height)\s*[<>]/, 'range media queries need Chromium 104'],
]

const JS = [
  [/\bIntl\.Segmenter\b|\bArray\.fromAsync\b|\bURL\.canParse\b|\bnew CSSStyleSheet\b/, 'needs a newer Chromium than 86'],
  [/Object\.groupBy|Map\.groupBy/, 'groupBy needs Chromium 117'],
  [/Promise\.withResolvers/, 'Promise.withResolvers needs Chromium 119'],
  [/AbortSignal\.any\(/, 'AbortSignal.any needs Chromium 116'],
  [/https?:\/\/(fonts|cdn|unpkg|ajax)\./, 'a foreign host: the network is private'],
]

/** Whether the built files of this folder are fit for Chromium 86; says what is not. */
export function checkOldBrowsers(folder) {
  let fit = true
  for (const name of readdirSync(folder)) {
    const checks = name.endsWith('.css') ? CSS : name.endsWith('.js') ? JS : []
    const text = readFileSync(join(folder, name), 'utf8')
    for (const [pattern, reason] of checks) {
      const match = pattern.exec(text)
      if (!match) continue
      fit = false
      const around = text.slice(Math.max(0, match.index - 60), match.index + 60)
      console.error(`${name}: ${reason}\n    …${around.replace(/\s+/g, ' ')}…`)
    }
  }
  return fit
}
