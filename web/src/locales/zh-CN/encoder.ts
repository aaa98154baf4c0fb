export default {
  title: '“{name}”编码参数',
  reading: '正在询问设备……',
  hint: '直接修改设备中的参数。修改时画面和录像可能中断几秒。',
  stream: '码流',
  streams: { main: '主码流', sub: '子码流' },
  codec: '编码格式',
  size: '分辨率',
  frames: '帧率（帧/秒）',
  bitrate: '码率（kbit/s）',
  gop: '关键帧间隔（帧）',
  change: '写入设备',
  changed: '设备已采用新参数',
}
