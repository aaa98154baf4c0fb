/** A section of the console: pages beside one another, with a row of tabs above them. */
import type { Component } from 'vue'
import type { RouteRecordRaw } from 'vue-router'

import type { Right } from '@/api/types'

export interface SectionPage {
  /** Of the route, of its path, and of its word in `shell`. */
  name: string
  /** Any of these will do; everybody has the page without. */
  rights?: readonly Right[]
  component: () => Promise<Component>
}

export type Section = 'manage' | 'command'

/** The pages that somebody has. */
export const allowedPages =
  (pages: readonly SectionPage[]) =>
  (may: (right: Right) => boolean): SectionPage[] =>
    pages.filter(({ rights }) => rights?.some(may) ?? true)

export const sectionRoutes = (section: Section, pages: readonly SectionPage[]): RouteRecordRaw[] =>
  pages.map(({ name, rights, component }) => ({
    path: `/${name}`,
    name,
    component,
    meta: { section, ...(rights === undefined ? {} : { rights }) },
  }))
