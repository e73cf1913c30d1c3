// A program that knows nothing of MPTCP: `unchanged.mjs server PORT` serves one page of HTTP, `unchanged.mjs client URL`
// fetches it. Run with `--import mptcp-wasm/register`.

import http from 'node:http'

const [role, where] = process.argv.slice(2)
const PAGE = 'x'.repeat(3_000_000)

if (role === 'server') {
  const server = http.createServer((_request, response) => {
    response.setHeader('Connection', 'close')
    response.end(PAGE, () => server.close())
  })
  server.listen(Number(where), () => console.log('listening'))
} else console.log(`${(await (await fetch(where)).text()).length} bytes`)
