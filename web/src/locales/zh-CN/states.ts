export default {
  live: '在线',
  online: '在线',
  connecting: '连接中',
  offline: '离线',
  refused: '密码被拒',
  idle: '待机',
  disabled: '已停用',
  unknown: '未知',
  recording: '录像中',
  notRecording: '未录像',
  since: '自 {time} 起',
}
