/// <reference types="vite/client" />

/** The same as `maplibre-gl`, with its worker in a file of its own. */
declare module 'maplibre-gl/dist/maplibre-gl-csp' {
  export * from 'maplibre-gl'
}
