// The parts of a core's memory that those above may write: messages and keys, frames as links receive
// them, the frame that is being sent.

export {
  SCRATCH,
  STAGING_RECEIVE,
  STAGING_RECEIVE_BYTES,
  STAGING_SEND,
} from './layout.js'
