// A program that speaks to itself over the drop-in, both ways, and ends by itself.

import net from 'mptcp-wasm/net'

const BYTES = 2_000_000
const say = (event, details = {}) => console.log(JSON.stringify({ event, ...details }))

const server = net.createServer((socket) => {
  say('accepted', { isSocket: socket instanceof net.Socket, isMultipath: socket.isMultipath })
  socket.pipe(socket)
})
server.listen(0, () => {
  const { port, address } = server.address()
  say('listening', { address })
  const socket = net.connect({ port, host: 'localhost' })
  let received = 0
  socket.on('data', (data) => {
    received += data.length
  })
  socket.on('connect', () => {
    const { provider, isMultipath } = socket
    say('connected', { provider, isMultipath })
    socket.end(Buffer.alloc(BYTES, 'x'))
  })
  socket.on('close', () => {
    say('closed', { received, bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten })
    net.connect(1, '127.0.0.1').on('error', ({ code, syscall, address, port }) => {
      say('refused', { code, syscall, address, port })
      server.close(() => say('over'))
    })
  })
})
