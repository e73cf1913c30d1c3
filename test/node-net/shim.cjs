// Preloaded: `require('net')` of the program gives the drop-in.

const Module = require('node:module')
const { join } = require('node:path')

const load = Module._load
const dropIn = require(join(__dirname, '../../build/net/index.js')).default

Module._load = function (name, ...rest) {
  return name === 'net' || name === 'node:net' ? dropIn : load.call(this, name, ...rest)
}
