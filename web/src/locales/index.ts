/**
 * Words of the console. One file per area under `zh-CN/` and `en/`: the file's name is the first
 * part of each key (`playback.ts` holds `playback.…`). Both are found by their place; nothing
 * has to be registered. Chinese is the reference: a test fails where English lacks a key.
 */
import { computed, type WritableComputedRef } from 'vue'
import { createI18n } from 'vue-i18n'

export const LOCALES = ['zh-CN', 'en'] as const
export type Locale = (typeof LOCALES)[number]

/** A tree of words; `{name}` is filled in, `a | b` are singular and plural. */
export interface Words {
  [key: string]: string | Words
}

function collect(modules: Record<string, { default: Words }>): Words {
  const words: Words = {}
  for (const [file, module] of Object.entries(modules)) {
    const area = /([^/]+)\.ts$/.exec(file)?.[1]
    if (area !== undefined) words[area] = module.default
  }
  return words
}

export const messages: Record<Locale, Words> = {
  'zh-CN': collect(import.meta.glob<{ default: Words }>('./zh-CN/*.ts', { eager: true })),
  en: collect(import.meta.glob<{ default: Words }>('./en/*.ts', { eager: true })),
}

export const i18n = createI18n({
  legacy: false,
  locale: 'zh-CN',
  fallbackLocale: 'zh-CN',
  messages: messages as Record<Locale, Record<string, string>>,
})

const active = i18n.global.locale as unknown as WritableComputedRef<string>

/** The language now shown; writable. */
export const locale = computed<Locale>({
  get: () => (active.value === 'en' ? 'en' : 'zh-CN'),
  set: (value) => {
    active.value = value
  },
})

/** `t()` for code outside components; follows the language now shown. */
export const translate = (key: string, values: Record<string, unknown> = {}): string =>
  (i18n.global.t as (key: string, values: Record<string, unknown>) => string)(key, values)

export const hasWords = (key: string): boolean =>
  (i18n.global.te as (key: string) => boolean)(key)
