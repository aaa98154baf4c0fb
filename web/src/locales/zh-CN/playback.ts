export default {
  title: '回放',
}
