// What the package `mptcp-wasm` exports.

export { PcapngWriter as MptcpPcapngWriter } from './capture/pcapng.js'
export {
  type Clock as MptcpClock,
  RealClock as MptcpRealClock,
  VirtualClock as MptcpVirtualClock,
} from './clock.js'
export * from './core/index.js'
export {
  COUNTER_MEANINGS as MPTCP_COUNTER_MEANINGS,
  type Counters as MptcpCounters,
} from './counters.js'
export { EmulatedNetwork as MptcpEmulatedNetwork } from './emulator/network.js'
export type { EmulatedPath as MptcpEmulatedPath } from './emulator/path.js'
export { captureLink as mptcpCaptureLink } from './link/capture.js'
export type {
  Frame as MptcpFrame,
  Link as MptcpLink,
  PacketBatch as MptcpPacketBatch,
} from './link/link.js'
export { openRawLinks as openMptcpRawLinks } from './link/raw.js'
export type { MptcpEndpoint, MptcpEndpointOptions } from './mptcp/path-manager/endpoint-table.js'
export type {
  MptcpAnnouncedAddress,
  MptcpLinkEvent,
  MptcpListenerEvent,
  MptcpLocalAddress,
  MptcpPathCommand,
  MptcpPathConnection,
  MptcpPathEvent,
  MptcpPathManager,
  MptcpPathSubflow,
  MptcpPathWatcher,
} from './mptcp/path-manager/path-manager.js'
export { lowestRtt as mptcpLowestRtt } from './mptcp/scheduler/lowest-rtt.js'
export { isPreferred as mptcpIsPreferred } from './mptcp/scheduler/preferred.js'
export type {
  MptcpScheduled,
  MptcpScheduler,
  MptcpSchedulerAlgorithm,
  MptcpSchedulerData,
  MptcpSchedulerSubflow,
} from './mptcp/scheduler/scheduler.js'
export { shortestLinger as mptcpShortestLinger } from './mptcp/scheduler/shortest-linger.js'
export { type Random as MptcpRandom, SeededRandom as MptcpSeededRandom } from './random.js'
export { MptcpBsd } from './socket/bsd.js'
export { MPTCP_CONSTANTS, MPTCP_ERRNO, mptcpErrnoName } from './socket/constants.js'
export type { MptcpSocketAddress } from './socket/descriptors.js'
export type { MptcpControlMessage, MptcpExtendedError, MptcpMessage } from './socket/message.js'
export type { MptcpInfo, MptcpInfoRequest } from './socket/mptcp-info.js'
export { type MptcpListenOptions, MptcpServer } from './socket/mptcp-server.js'
export {
  type MptcpConnectionInfo,
  MptcpSocket,
  type MptcpSubflowInfo,
} from './socket/mptcp-socket.js'
export { type MptcpConnectOptions, MptcpStack } from './socket/mptcp-stack.js'
export type { MptcpStackOptions } from './stack/config.js'
export type {
  MptcpPathControl,
  MptcpPathLimits,
  MptcpSubflowEnds,
} from './stack/path-control.js'
export type {
  CongestionEvent as MptcpCongestionEvent,
  MptcpCongestionAlgorithm,
  MptcpCongestionControl,
} from './tcp/congestion/congestion-control.js'
export { cubic as mptcpCubic } from './tcp/congestion/cubic.js'
export { newReno as mptcpNewReno } from './tcp/congestion/newreno.js'
export type { RateSample as MptcpRateSample } from './tcp/rate.js'
