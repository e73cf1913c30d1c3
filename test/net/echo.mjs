// A program of the drop-in's: `echo.mjs server PORT` echoes one connection, `echo.mjs client HOST PORT BYTES [SUBFLOWS]` asks
// for it, and waits for so many subflows.
// Each says what its socket tells, as a line of JSON.

import net from 'mptcp-wasm/net'

const [role, ...words] = process.argv.slice(2)
const say = (event, details = {}) => console.log(JSON.stringify({ event, ...details }))
const told = ({ provider, isMultipath, fallbackReason, info }) => ({
  provider,
  isMultipath,
  fallbackReason,
  subflows: info?.subflowsTotal ?? null,
})

if (role === 'server') {
  const server = net.createServer((socket) => {
    say('accepted', told(socket))
    socket.pipe(socket)
    // Linux takes joins by the listener: not before.
    socket.on('close', () => server.close())
  })
  server.listen(Number(words[0]), () => say('listening', server.address()))
} else {
  const [host, port, bytes, subflows = 0] = words
  const socket = net.connect({ host, port: Number(port) })
  let received = 0
  // Bytes are faster here than a join is.
  const wanted = Number(subflows)
  const sayWhole = () => {
    if ((socket.info?.subflowsTotal ?? 0) < wanted) {
      setTimeout(sayWhole, 5)
      return
    }
    say('whole', { received, ...told(socket) })
    socket.end()
  }
  socket.on('data', (data) => {
    received += data.length
    if (received === Number(bytes)) sayWhole()
  })
  socket.on('error', ({ code, syscall, address, port }) =>
    say('error', { code, syscall, address, port }),
  )
  socket.on('close', () => say('closed'))
  socket.on('connect', () => socket.write(Buffer.alloc(Number(bytes), 'x')))
}
