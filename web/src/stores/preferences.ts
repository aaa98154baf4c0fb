/** What this browser remembers: language, theme, panels. Never anything secret. */
import { defineStore } from 'pinia'
import { ref, watch, type Ref } from 'vue'

import { locale as shownLocale, LOCALES, type Locale } from '@/locales'

export type Theme = 'dark' | 'light'

const PREFIX = 'gridsight.'

function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name)
  } catch {
    return null // Storage may be forbidden by policy; the defaults then hold.
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value)
  } catch {
    // As above: a preference that cannot be kept is not an error.
  }
}

function remembered<T extends string>(name: string, allowed: readonly T[], fallback: T): Ref<T> {
  const stored = read(name) as T | null
  const value = ref(stored !== null && allowed.includes(stored) ? stored : fallback) as Ref<T>
  watch(value, (next) => write(name, next))
  return value
}

export const usePreferences = defineStore('preferences', () => {
  const locale = remembered<Locale>('locale', LOCALES, 'zh-CN')
  const theme = remembered<Theme>('theme', ['dark', 'light'], 'dark')
  const treeOpen = remembered<'yes' | 'no'>('tree', ['yes', 'no'], 'yes')
  /** What analysis finds, drawn over the live picture that has the focus. */
  const boxes = remembered<'yes' | 'no'>('boxes', ['yes', 'no'], 'no')
  const alarmSound = remembered<'yes' | 'no'>('alarm_sound', ['yes', 'no'], 'yes')

  watch(
    locale,
    (value) => {
      shownLocale.value = value
      document.documentElement.lang = value
    },
    { immediate: true },
  )
  watch(
    theme,
    (value) => {
      document.documentElement.classList.toggle('dark', value === 'dark')
      document.documentElement.classList.toggle('light', value === 'light')
    },
    { immediate: true },
  )

  return { locale, theme, treeOpen, boxes, alarmSound }
})
