// The core's microbenchmarks, as `mptcp bench` runs them: `npm run build && node bench/core.mjs`.

import { runCoreBench } from '../build/cli/bench.js'

await runCoreBench({ backends: ['wasm', 'js'], out: console.log })
