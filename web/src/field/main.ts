/** The page of the people in the field: of its own, small, and without the console's parts. */
import { createApp } from 'vue'

import '../polyfills'
import FieldApp from './FieldApp.vue'
import './field.css'

createApp(FieldApp).mount('#app')

// Where it is offered; everything works without it as long as the page stays open.
if ('serviceWorker' in navigator) {
  navigator.serviceWorker.register('/field/keeper.js', { scope: '/field/' }).catch(() => undefined)
}
